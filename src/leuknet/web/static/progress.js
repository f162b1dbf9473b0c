// How far scoring is, told by the server as it goes on; and new cells, shown when the reader wants them.
// Adds `leuknet.watch`: begin to listen, as after an upload.

leuknet.watch = (() => {
  const { root, base, ask, cells, t, on } = leuknet;
  const box = document.getElementById("progress");
  const words = document.getElementById("progress-words");
  const bar = document.getElementById("progress-bar");
  const button = document.getElementById("new-cells");
  const problems = document.getElementById("progress-problems");
  let source = null;
  let held = 0;

  function watch() {
    if (source) return;
    source = new EventSource(`${base}/events`);
    source.addEventListener("progress", (event) => show(JSON.parse(event.data)));
    source.addEventListener("end", (event) => {
      source.close();
      source = null;
      if (event.data === "gone") words.textContent = t("gone");
      else showImages();
    });
  }

  // Fields that have come, and images that could not be scored, are the server's to describe.
  async function showImages() {
    const { status, body } = await ask("", { headers: { Accept: "text/html" } });
    const anew = new DOMParser().parseFromString(status === 200 ? body : "", "text/html").getElementById("images");
    if (anew && !document.getElementById("images").contains(document.activeElement)) document.getElementById("images").replaceWith(anew);
  }

  function show(state) {
    box.hidden = false;
    const done = state.scored + state.failed;
    bar.hidden = !state.busy;
    bar.value = state.percent ?? (state.images ? (100 * done) / state.images : 0);
    words.textContent = sentence(state, done);
    problems.hidden = !state.problems.length;
    problems.replaceChildren(...state.problems.map((text) => Object.assign(document.createElement("li"), { textContent: text })));
    held = state.cells;
    offer();
  }

  function sentence(state, done) {
    if (state.worker_missing) return t("worker_missing");
    if (!state.busy) {
      return state.failed ? t("finished_failed", { done: state.scored, of: state.images, failed: state.failed }) : t("finished", { of: state.images });
    }
    if (!state.running) return state.images ? t("waiting", { n: state.images - done }) : t("preparing");
    return state.images ? t("running", { done, of: state.images, percent: Math.round(bar.value) }) : t("preparing");
  }

  // The first cells come by themselves; later ones would push others about while they are read.
  function offer() {
    const more = held - cells.count;
    if (more > 0 && !cells.count) cells.load();
    button.hidden = more <= 0 || !cells.count;
    button.textContent = t("new_cells", { n: more });
  }

  button.addEventListener("click", () => cells.load());
  on("cells:loaded", offer);
  if (root.dataset.busy === "yes") watch();
  return watch;
})();
