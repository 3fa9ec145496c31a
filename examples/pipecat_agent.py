"""A Pipecat voice agent behind Ringoff's media URL, with a stub where the model goes.

    pip install "pipecat-ai[websocket]" uvicorn
    python examples/pipecat_agent.py --port 9000

Then give an agent the media URL ws://127.0.0.1:9000/. The serializer is Pipecat's own for Twilio. See docs/agents.md.
"""

import argparse
import json

import uvicorn
from fastapi import FastAPI, WebSocket
from pipecat.frames.frames import Frame, InputAudioRawFrame, OutputAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.serializers.twilio import TwilioFrameSerializer
from pipecat.transports.websocket.fastapi import FastAPIWebsocketParams, FastAPIWebsocketTransport
from pipecat.workers.runner import WorkerRunner

app = FastAPI()


class StubModel(FrameProcessor):
    """Says back what it hears: put speech recognition, a language model and a voice in its place."""

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, InputAudioRawFrame):
            said = OutputAudioRawFrame(frame.audio, frame.sample_rate, frame.num_channels)
            await self.push_frame(said, direction)
        else:
            await self.push_frame(frame, direction)


@app.websocket("/{path:path}")
async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    # "connected" first, then "start" with the ids and the contact's variables.
    start = {}
    while not start:
        start = json.loads(await websocket.receive_text()).get("start", {})
    print("call", start["callSid"], flush=True)
    # There is no Twilio account to hang up through: closing the WebSocket hangs up.
    serializer = TwilioFrameSerializer(start["streamSid"], params=TwilioFrameSerializer.InputParams(auto_hang_up=False))
    transport = FastAPIWebsocketTransport(
        websocket,
        FastAPIWebsocketParams(audio_in_enabled=True, audio_out_enabled=True, serializer=serializer),
    )
    worker = PipelineWorker(
        Pipeline([transport.input(), StubModel(), transport.output()]),
        params=PipelineParams(audio_in_sample_rate=8_000, audio_out_sample_rate=8_000),
    )

    @transport.event_handler("on_client_disconnected")
    async def on_client_disconnected(_transport: object, _client: object) -> None:
        await worker.cancel()

    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    await runner.run()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A Pipecat agent with a stub model.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=9000)
    asked = parser.parse_args()
    uvicorn.run(app, host=asked.host, port=asked.port, log_level="warning")
