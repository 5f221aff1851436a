// What the pages do beyond links and forms. Everything works without this file; it only makes it livelier.

const log = document.getElementById("log");
const follow = document.getElementById("follow");
const LINES_KEPT = 2000;

// No questions to the server from a tab that nobody sees.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});

// A list that is being used with the keyboard is not taken away under the fingers.
document.addEventListener("htmx:beforeSwap", (event) => {
  const target = event.detail.target;
  if (target !== document.body && target.contains(document.activeElement)) event.detail.shouldSwap = false;
});

// Signed out, or the server is restarting: say so once instead of pretending to be live.
document.addEventListener("htmx:responseError", () => document.body.classList.add("stale"));
document.addEventListener("htmx:sendError", () => document.body.classList.add("stale"));
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) document.body.classList.remove("stale");
});

function toTheEnd() {
  if (log && follow?.checked) log.scrollTop = log.scrollHeight;
}

if (log) {
  new MutationObserver(() => {
    while (log.childElementCount > LINES_KEPT) log.firstElementChild.remove();
    toTheEnd();
  }).observe(log, { childList: true });
  // Scrolling up means reading: stop following until the end is reached again.
  log.addEventListener("scroll", () => {
    if (follow) follow.checked = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  });
  follow?.addEventListener("change", toTheEnd);
  toTheEnd();
}

for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

document.querySelector("[data-focus]")?.focus();
