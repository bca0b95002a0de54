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
  dialog.querySelector("[data-download]").addEventListener("click", () => {
    const file = URL.createObjectURL(new Blob([`DOORWARD_ACCESS_KEY=${code.textContent}\n`], { type: "text/plain" }));
    const link = document.createElement("a");
    link.href = file;
    link.download = ".env";
    link.click();
    URL.revokeObjectURL(file);
    keep("Downloaded");
  });
  document.addEventListener("copy", () => keep("Copied"));
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
} else if (location.hash) {
  document.querySelector(location.hash.replace(/[^#\w-]/g, ""))?.focus();
}

// Shows the changes of other people. A request with `live` does not extend the session.
const regions = [...document.querySelectorAll("[data-live]")];

function load(done) {
  // Parses the answer as a separate document, so that no text becomes markup in this page.
  const request = new XMLHttpRequest();
  request.open("GET", `${page}?live`);
  request.responseType = "document";
  request.addEventListener("loadend", () => done(request.status, request.response));
  request.send();
}

function look() {
  if (document.hidden || dialog?.open) return;
  load((status, fresh) => {
    if (status === 401) return location.reload();
    document.body.classList.toggle("stale", status !== 200);
    if (status !== 200 || !fresh) return;
    const open = (from) => ["stage", "regenerate", "unstage"].filter((id) => from.querySelector(`#${id}`)).join();
    // Someone staged, withdrew or regenerated a key, so the buttons are outdated.
    if (open(fresh) !== open(document)) return location.assign(page);
    for (const region of regions) {
      const now = fresh.getElementById(region.id);
      if (now && now.innerHTML !== region.innerHTML && !region.contains(document.activeElement)) {
        region.replaceChildren(...now.childNodes);
      }
    }
  });
}

if (page && regions.length) setInterval(look, 5000);
