// A field or slide: OpenSeadragon pans and zooms through its tiles; outlines of the cells in view are drawn on a
// canvas over it, once a frame. Adds `leuknet.desk`, as the gallery does.

leuknet.desk = (() => {
  const { cells, ask, base, root, t, tell, on } = leuknet;
  const frame = document.getElementById("viewer");
  const image = { id: root.dataset.image, width: Number(root.dataset.width), height: Number(root.dataset.height), um: Number(root.dataset.um) };
  const DASHES = { leukaemic: [], normal: [7, 4], uncertain: [2.5, 3], unfamiliar: [2.5, 3], other: [2.5, 3] };
  const SMALL_PX = 18, LARGE_PX = 24; // sides of a cell on the screen
  let boxes = [];
  let typical = 1; // side of a cell in pixels of the image
  let lines = [];
  let order = [];
  let current = -1;
  let drawn = true;
  let colours = {};

  // It adds a style of its own, which the page's policy forbids, unless it finds one: of no kind that a browser reads.
  const mark = document.createElementNS("urn:leuknet", "style");
  mark.setAttribute("data-openseadragon-mobile-css", "");
  document.head.append(mark);
  const viewer = OpenSeadragon({
    element: frame, tileSources: `${base}/images/${image.id}/image.dzi`, showNavigationControl: false, showNavigator: false,
    animationTime: 0.5, blendTime: 0, maxZoomPixelRatio: 8, minZoomImageRatio: 0.8, visibilityRatio: 1, drawer: "canvas",
    gestureSettingsMouse: { clickToZoom: false, dblClickToZoom: true }, imageLoaderLimit: 6, maxImageCacheCount: 400, silenceMultiImageWarnings: true,
  });
  const canvas = document.createElement("canvas");
  canvas.className = "lines";
  viewer.canvas.append(canvas);
  const pen = canvas.getContext("2d");

  function readColours() {
    const style = getComputedStyle(frame);
    colours = Object.fromEntries(["leukaemic", "normal", "uncertain", "unfamiliar", "other", "halo"].map((name) => [name, style.getPropertyValue(`--line-${name}`).trim()]));
  }

  // Screen pixels = origin + image pixels * scale.
  function placement() {
    const zoom = viewer.viewport.viewportToImageZoom(viewer.viewport.getZoom(true));
    const { x, y } = viewer.viewport.pixelFromPoint(viewer.viewport.imageToViewportCoordinates(0, 0), true);
    return { zoom, x, y };
  }

  function draw() {
    if (!viewer.world.getItemCount() || boxes.length !== cells.count) return;
    const ratio = window.devicePixelRatio || 1;
    const { clientWidth: width, clientHeight: height } = frame;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
    }
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    const place = placement();
    if (drawn) {
      for (const [means, group] of inView(place, width, height)) drawGroup(means, group, place);
    }
    if (current >= 0) drawCurrent(place);
    if (image.um) leuknet.drawBar(frame.parentElement.querySelector(".bar"), place.zoom / image.um, width / 4);
  }

  function inView({ zoom, x, y }, width, height) {
    const groups = new Map();
    for (let index = 0; index < boxes.length; index += 1) {
      const [top, left, bottom, right] = boxes[index];
      if (x + right * zoom < 0 || y + bottom * zoom < 0 || x + left * zoom > width || y + top * zoom > height) continue;
      const means = cells.means(index);
      if (!groups.has(means)) groups.set(means, []);
      groups.get(means).push(index);
    }
    return groups;
  }

  function drawGroup(means, group, place) {
    const side = typical * place.zoom;
    if (side < SMALL_PX) { // too small, and too many, for lines
      pen.fillStyle = pen.strokeStyle = colours[means];
      pen.lineWidth = 1.5;
      pen.setLineDash([]);
      for (const index of group) {
        const [l, u, r, d] = onScreen(index, place);
        dot(means, (l + r) / 2, (u + d) / 2);
      }
      return;
    }
    for (const index of group) {
      pen.beginPath();
      trace(index, place);
      stroke(means, side, 4.5, 2.25);
    }
    if (side < LARGE_PX) return;
    for (const index of group) if (cells.said(index)) sign(t(`sign_${cells.said(index)}`), onScreen(index, place));
  }

  // Told apart by shape too, not by colour alone.
  function dot(means, x, y) {
    if (means === "leukaemic") return pen.fillRect(x - 3, y - 3, 6, 6);
    if (means === "normal") return pen.strokeRect(x - 2.5, y - 2.5, 5, 5);
    pen.fillRect(x - 3.5, y - 1, 7, 2);
    pen.fillRect(x - 1, y - 3.5, 2, 7);
  }

  function drawCurrent(place) {
    const [l, u, r, d] = onScreen(current, place);
    pen.beginPath();
    trace(current, place);
    stroke(cells.means(current), r - l, 7, 3.5);
    pen.setLineDash([]);
    pen.strokeRect(l - 5, u - 5, r - l + 10, d - u + 10);
  }

  function onScreen(index, { zoom, x, y }) {
    const [top, left, bottom, right] = boxes[index];
    return [x + left * zoom, y + top * zoom, x + right * zoom, y + bottom * zoom];
  }

  function stroke(means, side, halo, line) {
    pen.setLineDash([]);
    if (side > LARGE_PX) { // a light edge, so that the line is seen on any stain
      pen.strokeStyle = colours.halo;
      pen.lineWidth = halo;
      pen.stroke();
    }
    pen.setLineDash(DASHES[means] ?? []);
    pen.strokeStyle = colours[means];
    pen.lineWidth = line;
    pen.stroke();
  }

  function trace(index, place) {
    const [l, u, r, d] = onScreen(index, place);
    outline(lines[index], place) || pen.rect(l, u, r - l, d - u);
  }

  function outline(points, { zoom, x, y }) {
    if (!points?.length) return false;
    const step = zoom < 0.25 ? 8 : 2; // every fourth point is enough for a few pixels
    pen.moveTo(x + (points[1] + 0.5) * zoom, y + (points[0] + 0.5) * zoom);
    for (let at = step; at < points.length; at += step) pen.lineTo(x + (points[at + 1] + 0.5) * zoom, y + (points[at] + 0.5) * zoom);
    pen.closePath();
    return true;
  }

  function sign(letter, [, top, right]) {
    pen.font = "700 13px system-ui, sans-serif";
    pen.textAlign = "center";
    pen.fillStyle = colours.halo;
    pen.fillRect(right - 8, top - 10, 18, 18);
    pen.fillStyle = colours.other;
    pen.fillText(letter, right + 1, top + 4);
  }

  function hit(point) {
    const { zoom, x, y } = placement();
    const [column, row] = [(point.x - x) / zoom, (point.y - y) / zoom];
    const inside = boxes.map((box, index) => [box, index]).filter(([[top, left, bottom, right]]) => row >= top && row < bottom && column >= left && column < right);
    const size = ([[top, left, bottom, right]]) => (bottom - top) * (right - left);
    return inside.sort((a, b) => size(a) - size(b))[0]?.[1] ?? -1;
  }

  function select(index, move) {
    current = index;
    if (move && index >= 0) centre(index);
    draw();
    tell("desk:focus", { index });
  }

  function centre(index) {
    const [top, left, bottom, right] = boxes[index];
    const middle = viewer.viewport.imageToViewportCoordinates((left + right) / 2, (top + bottom) / 2);
    const wanted = viewer.viewport.imageToViewportZoom(Math.min(frame.clientWidth, frame.clientHeight) / (5 * Math.max(bottom - top, right - left)));
    viewer.viewport.panTo(middle);
    if (viewer.viewport.getZoom() < 0.6 * wanted) viewer.viewport.zoomTo(wanted, middle);
    viewer.viewport.applyConstraints();
  }

  const step = (by) => { if (order.length) select(order[(order.indexOf(current) + by + order.length) % order.length], true); };
  const views = {
    in: () => viewer.viewport.zoomBy(1.5), out: () => viewer.viewport.zoomBy(1 / 1.5), whole: () => viewer.viewport.goHome(),
    actual: () => viewer.viewport.zoomTo(viewer.viewport.imageToViewportZoom(1)),
    cells: (button) => { drawn = !drawn; button.setAttribute("aria-pressed", drawn); draw(); },
    previous: () => step(-1), next: () => step(1),
  };
  document.querySelectorAll("[data-view]").forEach((button) => button.addEventListener("click", () => {
    views[button.dataset.view](button);
    viewer.viewport.applyConstraints();
  }));

  viewer.addHandler("canvas-click", (event) => { if (event.quick) select(hit(event.position), false); });
  for (const name of ["open", "resize", "update-viewport"]) viewer.addHandler(name, draw);
  // Its own keys turn and mirror the image, which no reader of cells wants; ours are heard by the document.
  viewer.addHandler("canvas-key", (event) => { if (/^[a-z0-9]$/i.test(event.originalEvent.key) && event.originalEvent.key !== "0") event.preventDefaultAction = true; });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === ",") step(-1);
    if (event.key === ".") step(1);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); draw(); });

  on("cells:changed", draw);
  on("cells:loaded", () => {
    document.getElementById("shown").textContent = t("shown", { n: cells.count });
    order = Array.from({ length: cells.count }, (_, index) => index);
    const wanted = location.hash.match(/^#cell-(\d+)$/);
    if (wanted && current < 0 && cells.indexOf(Number(wanted[1])) >= 0) whenOpen(() => select(cells.indexOf(Number(wanted[1])), true));
    else draw();
  });

  function whenOpen(act) {
    if (viewer.world.getItemCount()) act();
    else viewer.addOnceHandler("open", () => setTimeout(act));
  }

  async function load() {
    readColours();
    const { body } = await ask(`/images/${image.id}/outlines.json`);
    [boxes, lines] = [body.box, body.outline];
    if (boxes.length) typical = boxes.reduce((sum, [, left, , right]) => sum + right - left, 0) / boxes.length;
    await cells.load();
  }
  load();
  return { active: () => current, go: (index) => select(index, true), step, list: () => null, focus: () => frame.focus(), viewer };
})();
