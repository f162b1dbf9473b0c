// The gallery: a listbox of which only the rows in view are in the page, so that ten thousand cells scroll as
// smoothly as fifty. Adds `leuknet.desk`: which cell is in focus, and how to go to another.
// Event: "desk:focus" {index} when another cell comes into focus.

leuknet.desk = (() => {
  const { cells, t, tell, on, root } = leuknet;
  const box = document.getElementById("gallery");
  const spacer = document.getElementById("spacer");
  const selects = ["sort", "outcome", "mine", "flags"].map((id) => document.getElementById(id));
  const OVER = 3; // rows drawn beyond the view on each side
  const drawn = new Map();
  const spare = [];
  let list = [];
  let places = new Map();
  let current = 0;
  let grid = { columns: 1, tile: 100, row: 130 };
  let waits = false;

  function measure() {
    const style = getComputedStyle(box);
    const wanted = parseFloat(style.getPropertyValue("--tile"));
    const foot = parseFloat(style.getPropertyValue("--foot"));
    const gap = parseFloat(style.getPropertyValue("--gap"));
    const width = box.clientWidth - 2 * gap;
    const columns = Math.max(2, Math.floor((width + gap) / (wanted + gap)));
    const tile = Math.floor((width - gap * (columns - 1)) / columns);
    grid = { columns, tile, gap, row: tile + foot + gap };
    spacer.style.height = `${Math.ceil(list.length / columns) * grid.row + gap}px`;
    box.style.setProperty("--side", `${tile}px`);
  }

  function makeTile() {
    const tile = document.createElement("div");
    tile.className = "tile";
    tile.setAttribute("role", "option");
    tile.innerHTML = '<img alt="" width="96" height="96" decoding="async" draggable="false"><b class="mine"></b><b class="flag">⚑</b><span class="said-line"><i class="sign"></i><span class="number"></span><span class="meter"><i></i></span></span>';
    tile.parts = {
      img: tile.querySelector("img"), mine: tile.querySelector(".mine"), flag: tile.querySelector(".flag"),
      number: tile.querySelector(".number"), meter: tile.querySelector(".meter i"),
    };
    // A picture that did not come, as while the server is away, is asked for again while it is in view.
    tile.parts.img.addEventListener("error", () => setTimeout(() => { if (tile.isConnected) tile.parts.img.src = tile.source; }, 3000));
    return tile;
  }

  function fill(tile, place) {
    const index = list[place];
    const { img, mine, flag, number, meter } = tile.parts;
    const p = cells.probability[index];
    const said = cells.said(index);
    const source = `${cells.base(index)}/thumb.webp`;
    if (tile.source !== source) {
      tile.source = source;
      img.src = source;
    }
    tile.id = `cell-${cells.id[index]}`;
    tile.dataset.place = place;
    tile.dataset.means = cells.means(index);
    tile.dataset.mine = said;
    tile.classList.toggle("unsaved", cells.unsaved.has(index));
    tile.classList.toggle("current", place === current);
    mine.textContent = said ? t(`sign_${said}`) : "";
    flag.hidden = !cells.marks(index);
    number.textContent = p === null ? "–" : p.toFixed(2);
    meter.style.transform = `scaleX(${p ?? 0})`;
    tile.setAttribute("aria-posinset", place + 1);
    tile.setAttribute("aria-setsize", list.length);
    tile.setAttribute("aria-selected", place === current);
    tile.setAttribute("aria-label", `${t("tile", { place: place + 1, of: list.length })}. ${cells.describe(index)}`);
    const column = place % grid.columns;
    const row = Math.floor(place / grid.columns);
    tile.style.transform = `translate(${grid.gap + column * (grid.tile + grid.gap)}px, ${grid.gap + row * grid.row}px)`;
  }

  function draw() {
    waits = false;
    const first = Math.max(0, Math.floor(box.scrollTop / grid.row) - OVER) * grid.columns;
    const last = Math.min(list.length, (Math.ceil((box.scrollTop + box.clientHeight) / grid.row) + OVER) * grid.columns);
    for (const [place, tile] of drawn) {
      if (place < first || place >= last) {
        drawn.delete(place);
        spare.push(tile);
      }
    }
    for (let place = first; place < last; place += 1) {
      if (drawn.has(place)) continue;
      const tile = spare.pop() ?? makeTile();
      fill(tile, place);
      drawn.set(place, tile);
      if (!tile.isConnected) spacer.append(tile);
    }
    while (spare.length) spare.pop().remove(); // few: as many as the view shrank by
    name();
  }

  function name() {
    const tile = drawn.get(current);
    if (tile) box.setAttribute("aria-activedescendant", tile.id);
    else box.removeAttribute("aria-activedescendant");
  }

  function drawSoon() {
    if (!waits) requestAnimationFrame(draw);
    waits = true;
  }

  function redrawAll() {
    for (const tile of drawn.values()) spare.push(tile);
    drawn.clear();
    measure();
    draw();
  }

  function arrange(keep) {
    const [sort, outcome, mine, flags] = selects.map((select) => select.value);
    list = cells.list({ sort, outcome, mine, flags });
    places = new Map(list.map((index, place) => [index, place]));
    current = Math.max(0, places.get(keep) ?? 0);
    document.getElementById("shown").textContent = list.length ? t("shown", { n: list.length }) : t("none_shown");
    box.scrollTop = 0;
    redrawAll();
    reveal();
    tell("desk:focus", { index: active() });
  }

  function reveal() {
    const top = Math.floor(current / grid.columns) * grid.row;
    if (top < box.scrollTop) box.scrollTop = top;
    else if (top + grid.row + grid.gap > box.scrollTop + box.clientHeight) box.scrollTop = top + grid.row + grid.gap - box.clientHeight;
  }

  const active = () => (list.length ? list[current] : -1);

  function goPlace(place) {
    if (!list.length) return;
    const before = current;
    current = Math.min(list.length - 1, Math.max(0, place));
    reveal();
    draw();
    for (const one of [before, current]) if (drawn.has(one)) fill(drawn.get(one), one);
    tell("desk:focus", { index: active() });
  }

  // A cell that the filters leave out is shown all the same: the filters are taken away.
  function go(index) {
    if (!places.has(index)) {
      for (const select of selects.slice(1)) select.value = "";
      arrange(index);
    }
    goPlace(places.get(index));
  }

  const moves = {
    ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: () => -grid.columns, ArrowDown: () => grid.columns,
    PageUp: () => -grid.columns * Math.max(1, Math.floor(box.clientHeight / grid.row)),
    PageDown: () => grid.columns * Math.max(1, Math.floor(box.clientHeight / grid.row)),
    Home: () => -list.length, End: () => list.length,
  };
  // Also while nothing has the focus, as when the page was just opened: the first key a reader presses counts.
  document.addEventListener("keydown", (event) => {
    if (event.target !== document.body && !box.contains(event.target)) return;
    if (!moves[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    if (document.querySelector("dialog[open]")) return;
    event.preventDefault();
    goPlace(current + moves[event.key]());
  });
  box.addEventListener("click", (event) => {
    const tile = event.target.closest(".tile");
    if (tile) goPlace(Number(tile.dataset.place));
  });
  box.addEventListener("scroll", drawSoon, { passive: true });
  new ResizeObserver(() => { if (list.length) { redrawAll(); reveal(); } }).observe(box);
  for (const select of selects) select.addEventListener("change", () => arrange(active()));

  on("cells:changed", ({ index }) => {
    const place = places.get(index);
    if (drawn.has(place)) fill(drawn.get(place), place);
  });
  on("cells:loaded", () => {
    document.getElementById("desk").hidden = !cells.count;
    offer();
    const wanted = location.hash.match(/^#cell-(\d+)$/);
    arrange(wanted && !list.length ? cells.indexOf(Number(wanted[1])) : active());
  });

  // The choices of outcome and flag are those that this case has.
  function offer() {
    const [, outcome, , flags] = selects;
    const has = new Set([...outcome.options].map((one) => one.value));
    for (const one of cells.outcomes) {
      if (!has.has(one.means)) outcome.add(new Option(cells.outcomeWords(one), one.means));
      has.add(one.means);
    }
    cells.flag_names.forEach((flag, bit) => {
      const value = String(1 << bit);
      const there = [...flags.options].some((one) => one.value === value);
      if (!there && cells.flags.some((bits) => bits & (1 << bit))) flags.add(new Option(t(`flag_${flag}`), value));
    });
  }

  if (Number(root.dataset.cells)) cells.load();
  return { active, go, step: (by) => goPlace(current + by), list: () => new Set(list), focus: () => box.focus({ preventScroll: true }) };
})();
