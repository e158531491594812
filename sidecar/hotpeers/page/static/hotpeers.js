// Keeps a page up to date. Without this script, everything works by reloading.
//
// The server says by an event that something changed. The page is then fetched again, and each element
// with `data-live` is replaced if it differs. What the user has opened, typed or focused stays.

const body = document.body;
const connection = document.getElementById("connection");
const RETRY = 2000;
let version = body.dataset.version || "";
let fetching = false;
let again = false;
let source = null;
let timer = 0;
let retry = 0;

function tell(text, lost) {
  if (!connection) return;
  if (connection.textContent !== text) connection.textContent = text;
  connection.classList.toggle("lost", Boolean(lost));
}

// -- times

const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
const steps = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function showTimes(root) {
  for (const time of root.querySelectorAll("time[datetime]:not(.exact)")) {
    const seconds = (Date.parse(time.dateTime) - Date.now()) / 1000;
    if (!Number.isFinite(seconds)) continue;
    if (!time.title) time.title = time.textContent;
    const [unit, size] = steps.find(([, s]) => Math.abs(seconds) >= s) || steps[3];
    const text = words.format(Math.trunc(seconds / size), unit);
    if (time.textContent !== text) time.textContent = text;
  }
}

// -- replacing what has changed

function place(element) {
  if (!element || element === body) return null;
  if (element.id) return (root) => root.querySelector(`[id="${CSS.escape(element.id)}"]`);
  const href = element.getAttribute("href");
  if (href) return (root) => root.querySelector(`a[href="${CSS.escape(href)}"]`);
  if (element.tagName === "SUMMARY" && element.parentElement.id) {
    return (root) => root.querySelector(`[id="${CSS.escape(element.parentElement.id)}"] > summary`);
  }
  return null;
}

// The markup as the server sent it, before times were rewritten.
const sent = new Map();
for (const region of document.querySelectorAll("[data-live]")) sent.set(region.id, region.innerHTML);

function show(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(region.id);
    if (!next) continue;
    const markup = next.innerHTML;
    if (sent.get(region.id) === markup) continue;
    sent.set(region.id, markup);
    const open = [...region.querySelectorAll("details[open][id]")].map((one) => one.id);
    const held = region.contains(document.activeElement) ? place(document.activeElement) : null;
    const scrolled = [...region.querySelectorAll(".canvas")].map((one) => one.scrollLeft);
    showTimes(next);
    for (const id of open) next.querySelector(`details[id="${CSS.escape(id)}"]`)?.setAttribute("open", "");
    region.replaceChildren(...[...next.childNodes].map((one) => document.adoptNode(one)));
    region.querySelectorAll(".canvas").forEach((one, at) => { one.scrollLeft = scrolled[at] || 0; });
    if (held) held(region)?.focus({ preventScroll: true });
  }
  version = fresh.body.dataset.version || version;
  body.dataset.version = version;
}

async function refresh() {
  if (fetching) { again = true; return; }
  fetching = true;
  try {
    do {
      again = false;
      const answer = await fetch(location.href, {
        headers: { "X-Requested-With": "hotpeers" }, cache: "no-store", redirect: "error",
      });
      if (answer.status === 401) { location.reload(); return; }
      if (answer.status === 404) { tell("gone", true); return; }
      if (!answer.ok) throw new Error(answer.statusText);
      show(await answer.text());
      tell("live");
    } while (again);
  } catch {
    // The event stream may be fine: then no further event would lead to a retry.
    tell("not connected", true);
    clearTimeout(retry);
    retry = setTimeout(refresh, RETRY);
  } finally {
    fetching = false;
  }
}

// -- events

function listen() {
  clearTimeout(timer);
  source = new EventSource(`${body.dataset.events}?since=${encodeURIComponent(version)}`);
  source.onopen = () => tell("live");
  source.addEventListener("change", (event) => {
    if (event.data !== version && !document.hidden) refresh();
  });
  source.addEventListener("end", () => location.reload());
  source.onerror = () => {
    tell("not connected", true);
    // After an answer that is no stream, the browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) timer = setTimeout(() => { refresh(); listen(); }, RETRY);
  };
}

// A hidden page does not fetch anything. It keeps no connection either: browsers allow only six.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) { source?.close(); clearTimeout(timer); return; }
  refresh();
  if (body.dataset.events) listen();
});
addEventListener("pagehide", () => source?.close());
addEventListener("pageshow", (event) => { if (event.persisted && body.dataset.events) { refresh(); listen(); } });

// -- search while typing

let typing = 0;
for (const form of document.querySelectorAll("form[data-filter]")) {
  const go = () => {
    const query = new URLSearchParams([...new FormData(form)].filter(([, value]) => value));
    const url = new URL(form.action);
    url.search = query.toString();
    history.replaceState(null, "", url);
    refresh();
  };
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(typing); go(); });
  form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(go, 150); });
}
addEventListener("keydown", (event) => {
  const field = document.querySelector("form[data-filter] input:not([type=hidden])");
  const writing = event.target instanceof Element && event.target.closest("input, select, textarea");
  if (event.key === "/" && field && !writing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    field.focus();
  }
});

showTimes(document);
setInterval(() => showTimes(document), 5000);
if (body.dataset.events && !document.hidden) listen();
// A page without events, such as the sidecar's, asks every few seconds.
const pause = Number(body.dataset.poll) * 1000;
if (pause) setInterval(() => { if (!document.hidden) refresh(); }, pause);
