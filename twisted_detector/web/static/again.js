// A part of the page did not come, as when the network changes or camdetect restarts meanwhile. No browser asks a second
// time for a module: the page is loaded anew once camdetect answers. A classic script and the first one, so that it is
// there before the modules are.
(() => {
  const KEY = "camdetect-again";
  const LATE = 30000; // milliseconds; a slow line needs a third of it
  const CALM = 10000;
  let waiting = false;
  let begun = false;
  let tries = 5; // where storage is closed to us, which try it is nobody knows: each may be a late one
  const keep = (count) => { try { sessionStorage.setItem(KEY, String(count)); return true; } catch { return false; } };
  try {
    const kept = Number(sessionStorage.getItem(KEY)) || 0;
    if (keep(kept)) tries = kept;
  } catch { /* it is closed */ }

  function tell() {
    const node = document.getElementById("live");
    node.dataset.state = "lost";
    node.lastElementChild.textContent = "Not connected";
    const bar = document.getElementById("lost");
    bar.textContent = "A part of this page did not arrive. It is loaded again as soon as camdetect answers.";
    bar.hidden = false;
  }

  async function look(wasLate) {
    const isNeedless = () => wasLate && begun;
    if (isNeedless()) return;
    try {
      const answer = await fetch("assets/main.js", { cache: "no-store", signal: AbortSignal.timeout(10000) });
      if (isNeedless()) return;
      if (answer.ok) { keep(tries + 1); location.reload(); return; }
    } catch { /* not yet */ }
    setTimeout(look, 2000, wasLate);
  }

  function again(wasLate) {
    if (waiting) return;
    waiting = true;
    if (document.readyState === "loading") addEventListener("DOMContentLoaded", tell); else tell();
    // What never comes, as through a proxy that refuses it, is asked for less and less often.
    setTimeout(look, 1000 * 2 ** Math.min(tries, 5), wasLate);
  }

  const late = setTimeout(again, LATE, true);
  addEventListener("begun", () => {
    begun = true;
    waiting = false; // it was late, and there after all
    clearTimeout(late);
    setTimeout(() => { if (!waiting) keep(0); }, CALM);
  });
  addEventListener("again", () => again(false));
  addEventListener("error", ({ target }) => {
    if (target instanceof HTMLScriptElement && target.type === "module") again(false);
    if (target instanceof HTMLLinkElement && target.rel === "stylesheet") setTimeout(() => target.replaceWith(target.cloneNode()), 3000);
  }, true);
})();
