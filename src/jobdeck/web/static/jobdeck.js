// What the pages do beyond links and forms. Everything works without this file; it only makes it livelier.

// What answers to somebody at once, or only holds what asks for more.
const ALWAYS_NEW = ["live", "preview"];
const LINES_KEPT = 2000;
const log = document.getElementById("log");
const follow = document.getElementById("follow");
const connection = document.getElementById("connection");
let pressed = false;

// No questions to the server from a tab that nobody sees.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});

// A list is not taken away from under a pointer that is down, a keyboard focus, a selection, or what was typed.
document.addEventListener("pointerdown", () => { pressed = true; });
for (const end of ["pointerup", "pointercancel"]) {
  document.addEventListener(end, () => setTimeout(() => { pressed = false; }));
}
function isInUse(element) {
  const selection = document.getSelection();
  const selected = selection && !selection.isCollapsed && selection.intersectsNode?.(element);
  const typed = [...element.querySelectorAll("input")].some((input) => input.value !== input.defaultValue);
  return pressed || typed || element.contains(document.activeElement) || selected
    || (selection && !selection.isCollapsed && element.contains(selection.anchorNode));
}
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr } = event.detail;
  // What is shown here was deleted meanwhile: there is nothing left to ask for.
  if (xhr.status === 404) target.remove();
  else if (target !== document.body && !ALWAYS_NEW.includes(target.id) && isInUse(target)) event.detail.shouldSwap = false;
});

// The server is away: say so instead of pretending to be live.
for (const failure of ["htmx:responseError", "htmx:sendError"]) {
  document.addEventListener(failure, () => { connection.hidden = false; });
}
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) connection.hidden = true;
});

// "5 min ago" goes on counting on a page that is not refreshed.
const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
function ago(at) {
  const seconds = (Date.now() - at) / 1000;
  if (Math.abs(seconds) < 5) return "just now";
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size);
  const words = `${Math.floor(Math.abs(seconds) / size)} ${unit}`;
  return seconds > 0 ? `${words} ago` : `in ${words}`;
}
setInterval(() => {
  if (document.hidden) return;
  for (const time of document.querySelectorAll("time.ago")) {
    const words = ago(Date.parse(time.dateTime));
    if (time.textContent !== words) time.textContent = words;
  }
}, 5000);

if (log) {
  const toTheEnd = () => { if (follow?.checked) log.scrollTop = log.scrollHeight; };
  new MutationObserver(() => {
    const tooMany = log.childElementCount - LINES_KEPT;
    // While somebody reads further up, lines are not taken away under their eyes, but for very many.
    if (tooMany > (follow?.checked ? 0 : 4 * LINES_KEPT)) {
      for (const line of [...log.children].slice(0, tooMany)) line.remove();
    }
    toTheEnd();
  }).observe(log, { childList: true });
  // Scrolling up means reading: stop following until the end is reached again.
  log.addEventListener("scroll", () => {
    if (follow) follow.checked = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
  });
  if (follow) {
    follow.closest("label").hidden = !document.querySelector("#live[hx-get]");
    follow.addEventListener("change", toTheEnd);
  }
  toTheEnd();
}

for (const select of document.querySelectorAll("select[data-submit]")) {
  select.addEventListener("change", () => select.form.requestSubmit());
}

document.querySelector("[data-focus]")?.focus();
