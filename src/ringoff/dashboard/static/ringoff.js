// What scripts add to pages that work without them: the viewer's own times, live charts, one key to terminate.
"use strict";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
const axisWords = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const clockWords = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

function localise(root) {
  for (const time of root.querySelectorAll("time[data-when]")) {
    const words = clockWords.format(new Date(time.dateTime));
    if (time.textContent !== words) {
      time.title = `${time.dateTime} (shown in ${zone})`;
      time.textContent = words;
    }
  }
}

// --- charts -------------------------------------------------------------------------------------------------------

const charts = new Map();

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function makeChart(place, series) {
  const names = Object.keys(series).filter((name) => name !== "at");
  const axis = { stroke: colour("--ink-quiet"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
  const chart = new uPlot({
    width: place.clientWidth,
    height: 200,
    cursor: { drag: { x: false, y: false } },
    scales: { y: { range: (_self, _low, high) => [0, Math.max(1, high * 1.1)] } },
    legend: { live: false },
    axes: [{ ...axis, space: 90, values: (_self, at) => at.map((unix) => axisWords.format(unix * 1000)) }, { ...axis, size: 48 }],
    series: [{}, ...names.map((name) => ({
      label: name.replaceAll("_", " "),
      stroke: colour(`--part-${name}`) || colour("--accent"),
      width: 2,
      points: { show: false },
    }))],
  }, values(series, names), place);
  new ResizeObserver(() => chart.setSize({ width: place.clientWidth, height: 200 })).observe(place);
  return { chart, names };
}

function values(series, names) {
  return [series.at, ...names.map((name) => series[name])];
}

function draw() {
  if (typeof uPlot === "undefined") return;
  for (const place of document.querySelectorAll("[data-plot]")) {
    const source = document.querySelector(`[data-series="${place.dataset.plot}"]`);
    if (!source) continue;
    const series = JSON.parse(source.textContent);
    const known = charts.get(place);
    if (known) known.chart.setData(values(series, known.names));
    else charts.set(place, makeChart(place, series));
  }
}

// --- the terminate page -------------------------------------------------------------------------------------------

function showPartsOfLevel() {
  const order = document.querySelector("#order");
  if (!order) return;
  const level = order.elements.level.value;
  for (const part of order.querySelectorAll("[data-for]")) part.hidden = !part.dataset.for.split(" ").includes(level);
}

// The preview follows what is typed, and what is dialled meanwhile; never under the hands of somebody who confirms it.
const LOOK_MS = 2000, TYPING_MS = 400;
let lookAt;

function look() {
  const order = document.querySelector("#order");
  if (!order || document.hidden) return;
  htmx.trigger("#look", "look");
}

function lookSoon(event) {
  const order = event.target.closest("#order");
  if (!order || ["typed_count", "reason", "suppress"].includes(event.target.name)) return;
  // A number that was typed for another order says nothing about this one.
  if (order.elements.typed_count) order.elements.typed_count.value = "";
  clearTimeout(lookAt);
  lookAt = setTimeout(look, event.type === "change" ? 0 : TYPING_MS);
}

if (document.querySelector("#order")) {
  setInterval(() => { if (!document.querySelector("#order").elements.typed_count?.value) look(); }, LOOK_MS);
}
document.addEventListener("input", lookSoon);
document.addEventListener("change", lookSoon);

// A button whose words have just changed is not pressed by somebody who has read other ones.
const READING_MS = 800;
let shownOrder, shownCount, pressableAt = 0;

function heedNews() {
  const fields = document.querySelector("#order")?.elements;
  if (!fields) return;
  const order = fields.shown_order?.value, count = Number(fields.shown_count?.value);
  const hasGrown = count > Math.max(shownCount * 1.1, shownCount + 10);
  if (shownOrder && order && (order !== shownOrder || hasGrown)) {
    pressableAt = performance.now() + READING_MS;
    setTimeout(guardButton, READING_MS + 20);
  }
  if (order) [shownOrder, shownCount] = [order, count];
}

function guardButton() {
  const button = document.querySelector("#order button.stop");
  const typed = document.querySelector("#order [data-typed-count]");
  if (!button) return;
  const isTyped = !typed || typed.value.replace(/[ ,]/g, "") === typed.dataset.typedCount;
  button.disabled = !isTyped || performance.now() < pressableAt;
}

// --- everywhere ---------------------------------------------------------------------------------------------------

function refresh() {
  localise(document);
  draw();
  heedNews();
  guardButton();
}

function isTyping(target) {
  return target.closest("input:not([type=radio]):not([type=checkbox]), textarea, select, [contenteditable]") !== null;
}

document.addEventListener("keydown", (press) => {
  if (press.key !== "t" || press.ctrlKey || press.metaKey || press.altKey || isTyping(press.target)) return;
  const under = press.target.closest("[data-terminate]") ?? document.body;
  const hovered = document.querySelector("tr[data-terminate]:hover, div[data-terminate]:hover");
  location.href = (under === document.body && hovered ? hovered : under).dataset.terminate;
});

document.addEventListener("input", guardButton);
document.addEventListener("change", showPartsOfLevel);
document.addEventListener("click", (click) => {
  if (click.target.closest("[data-print]")) window.print();
  if (click.target.closest("[data-theme-switch]")) {
    const is_dark = document.documentElement.dataset.theme === "dark"
      || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
    document.cookie = `ringoff_theme=${is_dark ? "light" : "dark"}; path=/; max-age=31536000; samesite=lax`;
    location.reload();
  }
});

// Figures that stand still must not look live.
function trouble(words) {
  const place = document.querySelector("#trouble");
  place.hidden = !words;
  place.textContent = words;
}
document.addEventListener("trouble", (event) => trouble(`Not live: ${event.detail.data}`));
document.addEventListener("htmx:sse:error", () => trouble("Not live: the server cannot be reached. Trying again."));
document.addEventListener("htmx:sse:after:message", (event) => { if (!event.detail.message.event) trouble(""); });
document.addEventListener("htmx:after:swap", refresh);
document.addEventListener("htmx:sse:after:message", refresh);

for (const extra of document.querySelectorAll(".needs-script")) extra.hidden = false;
document.querySelector("nav.places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
showPartsOfLevel();
refresh();
