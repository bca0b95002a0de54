// The page works without this script. The script only adds convenience.
"use strict";

// Makes the server's open dialog modal, so that the focus stays inside.
const dialog = document.querySelector("dialog[open]");
const code = document.querySelector("#value");
const page = document.body.dataset.page;
let kept = !code;

if (dialog) {
  dialog.close();
  dialog.showModal();
  // Without this, Escape closes the dialog before the page can ask.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    leave();
  });
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  // A phone's back gesture still closes the dialog.
  dialog.addEventListener("close", () => {
    if (dialog.open) return;
    dialog.showModal();
    leave();
  });
}

// The URL of a sent form must not stay in the history.
if (page && location.pathname !== page) history.replaceState(null, "", `${page}?sent${location.hash}`);

function leave() {
  if (kept) location.assign(dialog.dataset.back);
  else ask(true);
}

function ask(asking) {
  dialog.querySelector("[data-leaving]").hidden = !asking;
  dialog.querySelector("[data-close]").hidden = asking;
  if (asking) dialog.querySelector("[data-stay]").focus();
}

if (code) {
  const status = document.querySelector("#copied");
  const keep = (text) => {
    kept = true;
    ask(false);
    status.textContent = text;
  };
  dialog.querySelector("[data-nicety]").hidden = false;
  dialog.querySelector("[data-copy]").addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      keep("Copied");
    } catch {
      getSelection().selectAllChildren(code);
      status.textContent = "Your browser does not let this page copy: press Ctrl+C";
    }
  });
  dialog.querySelector("[data-download]")?.addEventListener("click", () => {
    const variable = dialog.querySelector("[data-download]").dataset.download;
    const file = URL.createObjectURL(new Blob([`${variable}=${code.textContent}\n`], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = file;
    link.download = ".env";
    link.click();
    URL.revokeObjectURL(file);
    keep("Downloaded");
  });
  // Only the value counts: the title of the dialog can be copied too.
  document.addEventListener("copy", () => {
    if (getSelection().toString().trim() === code.textContent) keep("Copied");
  });
  dialog.querySelector("[data-stay]").addEventListener("click", () => ask(false));
  dialog.querySelector("[data-leave]").addEventListener("click", () => (kept = true));
  dialog.querySelector("[data-close] a").addEventListener("click", (event) => {
    if (!kept) {
      event.preventDefault();
      ask(true);
    }
  });
  addEventListener("beforeunload", (event) => {
    if (!kept) event.preventDefault();
  });
  // A browser may cache the page after it was left, so the value is removed first.
  addEventListener("pagehide", () => code.remove());
} else if (!dialog) {
  const notice = document.querySelector("#notice");
  // After the browser has gone to the section that the URL names.
  if (notice) addEventListener("load", () => requestAnimationFrame(() => notice.focus()));
  else if (location.hash) document.querySelector(location.hash.replace(/[^#\w-]/g, ""))?.focus();
}

// A form that waits for silent nodes says so, and cannot be sent twice.
addEventListener("submit", (event) => {
  const button = event.submitter;
  if (!button || !event.target.closest("dialog")) return;
  if (button.dataset.busy) return event.preventDefault();
  button.dataset.busy = "yes";
  setTimeout(() => (button.textContent = "Waiting for every node…"), 400);
});

// Passkeys: the browser asks a device, and the page's form carries the answer. Browsers do so at one origin alone.
for (const form of document.querySelectorAll("form[data-passkey]")) {
  if (form.dataset.origin !== location.origin || !window.PublicKeyCredential?.parseRequestOptionsFromJSON) continue;
  form.hidden = false;
  document.querySelector("[data-no-passkeys]")?.remove();
  const said = form.querySelector("[role=status]");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.dataset.busy) return;
    form.dataset.busy = "yes";
    said.textContent = "Your browser asks for the passkey…";
    try {
      form.elements.credential.value = JSON.stringify(await askDevice(form.dataset));
      // Without another event.
      form.submit();
    } catch (error) {
      said.textContent = fault(error);
    }
    delete form.dataset.busy;
  });
}

async function askDevice({ passkey, begin }) {
  const answer = await fetch(begin, { method: "POST", body: new URLSearchParams() });
  if (answer.status === 401) location.reload();
  if (!answer.ok) throw new Error(`Doorward answers ${answer.status}`);
  const options = await answer.json();
  const made = passkey === "create"
    ? await navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(options) })
    : await navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(options) });
  return made.toJSON();
}

function fault(error) {
  if (error.name === "NotAllowedError") return "Nothing was done: your browser was stopped, or has no passkey for this page.";
  if (error.name === "InvalidStateError") return "This device has a passkey of yours already.";
  return `That did not work: ${error.message}`;
}

// Shows the changes of other people: one look at a time, with a limit, and rarer if the server does not answer. A request with
// `live` does not extend the session.
const regions = [...document.querySelectorAll("[data-live]")];
const live = document.querySelector("#live");
const PAUSE = 5000;
const LONGEST_PAUSE = 60000;
const LIMIT = 4000;
let seen = Date.now();
let pause = PAUSE;
let isOutdated = false;
let tag = null;

// Parses the answer as a separate document, so that no text becomes markup in this page.
function read(method, url, known, done) {
  const request = new XMLHttpRequest();
  request.open(method, url);
  request.responseType = "document";
  request.timeout = LIMIT;
  if (known) request.setRequestHeader("If-None-Match", known);
  request.addEventListener("loadend", () => done(request));
  request.send(method === "POST" ? new URLSearchParams() : null);
}

function load(done) {
  const query = new URLSearchParams(location.search);
  for (const name of ["sent", "dialog", "key", "origin"]) query.delete(name);
  query.set("live", "");
  read("GET", `${page}?${query}`, tag, (request) => {
    tag = request.getResponseHeader("ETag") ?? tag;
    done(request.status, request.response);
  });
}

function look() {
  if (document.hidden || dialog?.open) return setTimeout(look, PAUSE);
  load((status, fresh) => {
    if (status === 401) return location.reload();
    const isSeen = status === 200 || status === 304;
    pause = isSeen ? PAUSE : Math.min(2 * pause, LONGEST_PAUSE);
    if (isSeen) seen = Date.now();
    if (status === 200 && fresh) show(fresh);
    setTimeout(look, pause);
  });
}

function show(fresh) {
  const open = (from) => from.querySelector("#production-facts")?.dataset.offers;
  // Someone staged, withdrew or regenerated a key, so the buttons are outdated. Half-typed text is not thrown away for that.
  if (open(fresh) !== open(document)) {
    const isTyped = [...document.querySelectorAll("input:not([type=hidden])")].some((field) => field.value !== field.defaultValue);
    if (!isTyped) return location.assign(page);
    isOutdated = true;
    return tell("Someone else changed the production key: reload this page to see it.", "", true);
  }
  const selection = getSelection();
  for (const region of regions) {
    const now = fresh.getElementById(region.id);
    const isInUse =
      region.contains(document.activeElement) ||
      region.querySelector("input:checked") !== null || (!selection.isCollapsed && region.contains(selection.anchorNode));
    if (now && now.innerHTML !== region.innerHTML && !isInUse) patch(region, now);
  }
  tellLocalTimes();
}

// Replaces only what differs, so that a verdict that stays is not announced again and one that changes is.
function patch(old, now) {
  const [from, to] = [[...old.childNodes], [...now.childNodes]];
  const isAlike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName;
  if (from.length !== to.length || !from.every((node, place) => isAlike(node, to[place]))) {
    return old.replaceChildren(...to);
  }
  from.forEach((node, place) => {
    const next = to[place];
    if (node.nodeType === Node.TEXT_NODE) {
      if (node.data !== next.data) node.data = next.data;
      return;
    }
    if (node.nodeType !== Node.ELEMENT_NODE) return;
    for (const { name } of [...node.attributes]) if (!next.hasAttribute(name)) node.removeAttribute(name);
    for (const { name, value } of next.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
    patch(node, next);
  });
}

// Shows absolute times by the browser's clock, if the person has chosen that.
function tellLocalTimes() {
  if (document.documentElement.dataset.clock !== "local") return;
  const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
  const whole = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (time.classList.contains("clock")) time.textContent = clock.format(at);
    else if (/UTC$/.test(time.textContent)) time.textContent = whole.format(at);
    if (/UTC$/.test(time.title)) time.title = whole.format(at);
  }
  for (const zone of document.querySelectorAll(".zone")) zone.textContent = "(days of UTC, local times)";
}

tellLocalTimes();

// The state is announced when it changes, and the age is not.
function tell(state, age, isStale) {
  live.parentElement.hidden = false;
  if (live.textContent !== state) live.textContent = state;
  document.querySelector("#age").textContent = age;
  live.parentElement.classList.toggle("stale", isStale);
}

function tellAge() {
  if (isOutdated) return;
  const age = Date.now() - seen;
  if (age <= PAUSE + LIMIT + 1000) return tell("Live", `· updated ${Math.round(age / 1000)} s ago`, false);
  const at = new Date(seen).toLocaleTimeString();
  if (!document.hidden) tell(`Not updated since ${at}: Doorward does not answer. What you see may be old.`, "", true);
}

// Warns before the session ends, and asks the server first: another window may have used the session.
const session = document.querySelector("#session");
const server = document.querySelector("[data-now]");
const ahead = server ? Date.parse(server.dataset.now) - Date.now() : 0;
const WARNING = 120000;
const left = () => Date.parse(session.firstElementChild.dateTime) - Date.now() - ahead;

// A question does not extend the session, and a form does.
function askEnd(method, done) {
  read(method, `${session.dataset.path}?live`, null, (request) => {
    const now = request.response?.querySelector("#session");
    if (now) patch(session, now);
    done(request.status);
  });
}

function warn() {
  const said = document.createElement("p");
  const stay = document.createElement("button");
  const end = () => `Your session ends at ${new Date(Date.now() + left()).toLocaleTimeString([], { timeStyle: "short" })}`;
  stay.type = "button";
  stay.textContent = "Stay signed in";
  stay.addEventListener("click", () => askEnd("POST", (status) => {
    if (status === 401) said.replaceChildren("Your session has ended. If you send a form, what you typed is kept.");
    // Without an answer, the button stays for another try.
    else if (status === 200 && left() > WARNING) said.remove();
    else if (status === 200) said.replaceChildren(`${end()}, 12 hours after you signed in. If you send a form then, what you typed is kept.`);
  }));
  said.className = "live stale";
  said.role = "alert";
  said.id = "session-warning";
  said.replaceChildren(`${end()}. `, stay);
  (dialog?.open ? dialog : document.querySelector("main")).prepend(said);
}

function watchSession() {
  if (left() > WARNING) return document.querySelector("#session-warning")?.remove();
  if (document.querySelector("#session-warning")) return;
  askEnd("GET", (status) => {
    if (status === 401) clearInterval(watch);
    else if (left() <= WARNING) warn();
  });
}

const watch = session && setInterval(watchSession, 5000);

if (page && regions.some((region) => region !== session)) {
  setTimeout(look, PAUSE);
  setInterval(tellAge, 1000);
}
