// What all pages share. Pages work without it, but for what needs a script: upload by parts, keys, zoom.

document.querySelectorAll("[data-theme-switch]").forEach((button) => {
  button.hidden = false;
  button.addEventListener("click", () => {
    const root = document.documentElement;
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  });
});

// A form that asks first: <form data-confirm="text">.
document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A request that gets no answer in time fails: on a connection that died silently it would wait for good.
window.fetchInTime = (address, options = {}, seconds = 15) => {
  const over = new AbortController();
  setTimeout(() => over.abort(), seconds * 1000);
  return fetch(address, { ...options, signal: over.signal });
};
