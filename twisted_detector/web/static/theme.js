// Before the first paint: the theme that was chosen here last, if any. A classic script, so that nothing flashes.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("camdetect-theme"); } catch { /* storage may be closed to us */ }
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
})();
