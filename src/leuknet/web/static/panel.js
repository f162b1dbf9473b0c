// The panel of the cell in focus: picture at true scale with its scale bar, explanation, similar cells, note.
// Adds `leuknet.noteOf` and `leuknet.drawBar`.

(() => {
  const { cells, desk, ask, t, say, on, wait } = leuknet;
  const panel = document.getElementById("panel");
  const PX_PER_UM = 8; // at 1x
  let zoom = "fit";
  let lines = false;
  let shown = -1;
  let asked = null;

  // A bar of 1, 2 or 5 times a power of ten µm, at most `most` screen pixels long.
  leuknet.drawBar = (bar, pixelsPerUm, most) => {
    const steps = [500, 200, 100, 50, 20, 10, 5, 2, 1, 0.5];
    const um = steps.find((one) => one * pixelsPerUm <= most) ?? 0.5;
    bar.querySelector("i").style.width = `${um * pixelsPerUm}px`;
    bar.querySelector("[data-bar]").textContent = t("bar", { um });
  };

  function drawZoom() {
    const view = panel.querySelector(".zoom");
    if (!view) return;
    const { um } = view.dataset;
    const [width, height] = [Number(view.dataset.width), Number(view.dataset.height)];
    const [x, y, w, h] = view.dataset.box ? view.dataset.box.split(" ").map(Number) : [0, 0, width, height];
    const seen = Math.min(Math.max(width, height), 1.4 * Math.max(w, h));
    const side = Math.min(view.clientWidth, view.clientHeight);
    const scale = zoom === "fit" ? side / seen : Number(zoom) * (um ? PX_PER_UM * Number(um) : 1);
    const stage = view.querySelector(".stage");
    stage.style.width = `${width * scale}px`;
    stage.style.height = `${height * scale}px`;
    view.scrollLeft = (x + w / 2) * scale - view.clientWidth / 2;
    view.scrollTop = (y + h / 2) * scale - view.clientHeight / 2;
    view.querySelector("svg")?.classList.toggle("on", lines);
    if (um) leuknet.drawBar(panel.querySelector(".bar"), scale / Number(um), side / 3);
    panel.querySelectorAll("[data-zoom]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.zoom === zoom));
    panel.querySelector("[data-lines]")?.setAttribute("aria-pressed", lines);
  }

  // A crop is the cell on a wide black canvas: what is fitted to the frame is the cell.
  async function frameCrop() {
    const view = panel.querySelector(".zoom");
    if (view.dataset.box) return;
    const picture = view.querySelector("img");
    await picture.decode().catch(() => {});
    const N = 90;
    const pen = Object.assign(document.createElement("canvas"), { width: N, height: N }).getContext("2d");
    pen.drawImage(picture, 0, 0, N, N);
    const { data } = pen.getImageData(0, 0, N, N);
    const lit = Array.from({ length: N * N }, (_, at) => at).filter((at) => data[4 * at] + data[4 * at + 1] + data[4 * at + 2] > 40);
    const [columns, rows] = [lit.map((at) => at % N), lit.map((at) => Math.floor(at / N))];
    if (!lit.length || !view.isConnected) return;
    const [left, right, top, bottom] = [Math.min(...columns), Math.max(...columns) + 1, Math.min(...rows), Math.max(...rows) + 1];
    const [sx, sy] = [Number(view.dataset.width) / N, Number(view.dataset.height) / N];
    view.dataset.box = [left * sx, top * sy, (right - left) * sx, (bottom - top) * sy].join(" ");
    drawZoom();
  }

  async function show(index, delay = 90) {
    shown = index;
    asked?.abort();
    if (index < 0) return panel.replaceChildren();
    const mine = (asked = new AbortController());
    await wait(delay); // arrow keys held down pass many cells
    if (mine.signal.aborted) return;
    try {
      const { status, body } = await ask(`/cells/${cells.id[index]}/panel`, { headers: { Accept: "text/html" }, signal: mine.signal });
      if (status !== 200 || shown !== index) return;
      panel.innerHTML = body; // from our server, which escapes what people typed
      panel.scrollTop = 0;
      frameCrop();
      drawZoom();
      if (panel.querySelector("[data-map]").dataset.map === "waiting") watchMap(index);
    } catch (error) {
      if (error.name !== "AbortError") say(t("panel_away"));
    }
  }

  leuknet.noteOf = (index) => {
    const cell = panel.querySelector("[data-cell]");
    return cell && Number(cell.dataset.cell) === cells.id[index] ? (panel.querySelector("#cell-note")?.value ?? "") : "";
  };

  async function askMap(button) {
    const index = shown;
    const { status, body } = await ask(`/cells/${cells.id[index]}/map`, { method: "POST" });
    if (status !== 200) return say(t("map_failed", { error: body.title ?? status }));
    panel.querySelector("[data-map-words]").textContent = button.dataset.waiting;
    button.hidden = true;
    watchMap(index);
  }

  async function watchMap(index) {
    for (let tries = 0; shown === index; tries += 1) {
      const { body } = await ask(`/cells/${cells.id[index]}/map`).catch(() => ({ body: { state: "waiting" } }));
      if (shown !== index) return;
      if (body.state === "ready") return showMap();
      const words = panel.querySelector("[data-map-words]");
      if (body.state !== "waiting") {
        words.textContent = t("map_failed", { error: body.error ?? "" });
        return;
      }
      if (tries === 30) words.textContent = t("map_slow");
      await wait(tries < 30 ? 700 : 3000);
    }
  }

  function showMap() {
    const section = panel.querySelector("[data-map]");
    const picture = new Image();
    picture.src = section.dataset.mapSrc;
    picture.alt = section.dataset.mapAlt;
    section.querySelector("[data-map-place]").replaceChildren(picture);
    section.querySelector("[data-map-words]").textContent = "";
    section.querySelector("[data-legend]").hidden = false;
  }

  panel.addEventListener("click", (event) => {
    const button = event.target.closest("[data-zoom], [data-lines], [data-ask-map], [data-go], [data-whole]");
    if (!button) return;
    if (button.dataset.zoom) zoom = button.dataset.zoom;
    if (button.hasAttribute("data-lines")) lines = !lines;
    if (button.dataset.zoom || button.hasAttribute("data-lines")) drawZoom();
    if (button.hasAttribute("data-ask-map")) askMap(button);
    const index = button.dataset.go ? cells.indexOf(Number(button.dataset.go)) : -1;
    if (index >= 0) {
      event.preventDefault();
      desk.go(index);
    } else if (button.dataset.go) {
      location.href = `${leuknet.base}#cell-${button.dataset.go}`; // a cell of another image of the case
    }
  });
  panel.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-note-form]")) return;
    event.preventDefault();
    const said = cells.said(shown);
    if (said) leuknet.decide(said, leuknet.noteOf(shown));
    else say(t("note_needs_verdict"));
  });

  on("desk:focus", ({ index }) => { if (index !== shown) show(index); });
  on("review:saved", ({ index }) => { if (index === shown && !panel.contains(document.activeElement)) show(index, 0); });
  on("cells:changed", ({ index }) => {
    const own = index === shown && panel.querySelector("[data-own-verdict]");
    if (own && cells.said(index)) own.textContent = t(`verdict_${cells.said(index)}`);
  });
  new ResizeObserver(drawZoom).observe(panel);
})();
