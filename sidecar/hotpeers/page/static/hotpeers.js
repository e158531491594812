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

// Finds an element of a region again after it was replaced. Several may have the same link: then it is the
// one with the same number among them.
function place(region, element) {
  if (!element || element === region || !region.contains(element)) return null;
  const href = element.getAttribute("href");
  let selector = "";
  if (element.id) selector = `[id="${CSS.escape(element.id)}"]`;
  else if (href) selector = `a[href="${CSS.escape(href)}"]`;
  else if (element.tagName === "SUMMARY") selector = `[id="${CSS.escape(element.parentElement.id)}"] > summary`;
  else return null;
  const number = [...region.querySelectorAll(selector)].indexOf(element);
  return () => { const all = region.querySelectorAll(selector); return all[number] || all[0]; };
}

// Text that the user has selected, to copy it, would be lost.
function isSelected(region) {
  const selection = getSelection();
  return selection && !selection.isCollapsed && selection.containsNode(region, true);
}

// The markup as the server sent it, before times were rewritten.
const sent = new Map();
for (const region of document.querySelectorAll("[data-live]")) sent.set(region.id, region.innerHTML);

let waiting = false;
document.addEventListener("selectionchange", () => {
  if (waiting && getSelection().isCollapsed) { waiting = false; refresh(); }
});

function show(text) {
  const fresh = new DOMParser().parseFromString(text, "text/html");
  for (const region of document.querySelectorAll("[data-live]")) {
    const next = fresh.getElementById(region.id);
    if (!next) continue;
    const markup = next.innerHTML;
    if (sent.get(region.id) === markup) continue;
    if (isSelected(region)) { waiting = true; continue; }
    sent.set(region.id, markup);
    const open = [...region.querySelectorAll("details[open][id]")].map((one) => one.id);
    const held = place(region, document.activeElement);
    const scrolled = [...region.querySelectorAll(".canvas")].map((one) => one.scrollLeft);
    showTimes(next);
    for (const id of open) next.querySelector(`details[id="${CSS.escape(id)}"]`)?.setAttribute("open", "");
    region.replaceChildren(...[...next.childNodes].map((one) => document.adoptNode(one)));
    region.querySelectorAll(".canvas").forEach((one, at) => { one.scrollLeft = scrolled[at] || 0; });
    held?.()?.focus({ preventScroll: true });
  }
  version = fresh.body.dataset.version || version;
  body.dataset.version = version;
}

// What was shown is gone, or may not be seen any more: only the server's words about that are left.
let gone = false;

function showGone(text) {
  const words = new DOMParser().parseFromString(text, "text/html").querySelector("main");
  document.querySelector("main")?.replaceChildren(...[...words.childNodes].map((one) => document.adoptNode(one)));
  gone = true;
  tell("gone", true);
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
      if (answer.status === 404) { showGone(await answer.text()); return; }
      if (!answer.ok) throw new Error(answer.statusText);
      if (gone) { location.reload(); return; }
      show(await answer.text());
      tell("live");
    } while (again);
  } catch {
    // The event stream may be fine: then no further event would lead to a retry.
    tell("not connected", true);
    clearTimeout(retry);
    if (!document.hidden) retry = setTimeout(refresh, RETRY);
  } finally {
    fetching = false;
  }
}

// -- events

function listen() {
  clearTimeout(timer);
  // A page that comes back from the browser's cache becomes visible too: both begin to listen.
  source?.close();
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
  if (document.hidden) { source?.close(); clearTimeout(timer); clearTimeout(retry); return; }
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
    url.hash = "";
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
