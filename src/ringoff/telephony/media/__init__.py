"""The media gateway: audio of an answered call to an agent that speaks the Twilio Media Streams protocol."""
