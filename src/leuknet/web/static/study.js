// A cell's picture with zoom, movement and a scale bar; and keys that press buttons. For the pages on which
// one cell is judged: reading in a study, and adjudication.

const MOST_PX = 24; // a pixel of the picture is never drawn larger: there is nothing more to see
const BARS_UM = [100, 50, 20, 10, 5, 2, 1, 0.5];

class CellPicture {
  constructor(figure) {
    this.frame = figure.querySelector("[data-frame]");
    this.image = figure.querySelector("[data-picture]");
    this.bar = figure.querySelector("[data-scale-bar]");
    this.words = figure.querySelector("[data-scale-words]");
    this.buttons = [...figure.querySelectorAll("[data-zoom]")];
    this.noScale = figure.dataset.noScale;
    this.microns = Number(figure.dataset.micronsPerPixel) || null;
    this.level = 1;
    this.x = this.y = 0;
    figure.querySelector("[data-zoom-buttons]").hidden = false;
    for (const button of this.buttons) button.addEventListener("click", () => this.zoom(Number(button.dataset.zoom)));
    this.image.addEventListener("load", () => this.draw());
    new ResizeObserver(() => this.draw()).observe(this.frame);
    this.frame.addEventListener("pointerdown", (event) => this.drag(event));
    if (this.image.complete) this.draw();
  }

  // CSS pixels for a pixel of the picture, at 1x.
  get fit() {
    const { naturalWidth: w, naturalHeight: h } = this.image;
    return w && h ? Math.min(this.frame.clientWidth / w, this.frame.clientHeight / h) : 0;
  }

  get levels() {
    const all = this.buttons.map((button) => Number(button.dataset.zoom));
    return all.filter((level) => level === 1 || level * this.fit <= MOST_PX);
  }

  reset(microns) {
    this.microns = microns;
    this.level = 1;
    this.x = this.y = 0;
    this.draw();
  }

  zoom(level) {
    if (!this.levels.includes(level)) return;
    const half = this.frame.clientWidth / 2;
    // What is in the middle stays there.
    this.x = half - ((half - this.x) * level) / this.level;
    this.y = half - ((half - this.y) * level) / this.level;
    this.level = level;
    this.draw();
  }

  step(by) {
    const levels = this.levels;
    this.zoom(levels[levels.indexOf(this.level) + by]);
  }

  move(dx, dy) {
    this.x += dx;
    this.y += dy;
    this.draw();
  }

  drag(start) {
    if (this.level === 1 || start.button !== 0) return;
    let last = start;
    this.frame.setPointerCapture(start.pointerId);
    const moved = (event) => {
      this.move(event.clientX - last.clientX, event.clientY - last.clientY);
      last = event;
    };
    const ended = () => this.frame.removeEventListener("pointermove", moved);
    this.frame.addEventListener("pointermove", moved);
    this.frame.addEventListener("pointerup", ended, { once: true });
    this.frame.addEventListener("pointercancel", ended, { once: true });
  }

  draw() {
    const size = this.frame.clientWidth;
    const least = size - size * this.level;
    this.x = Math.min(0, Math.max(least, this.x));
    this.y = Math.min(0, Math.max(least, this.y));
    this.image.style.transform = `translate(${this.x}px, ${this.y}px) scale(${this.level})`;
    this.frame.classList.toggle("zoomed", this.level > 1);
    const levels = this.levels;
    for (const button of this.buttons) {
      const level = Number(button.dataset.zoom);
      button.disabled = !levels.includes(level);
      button.setAttribute("aria-pressed", String(level === this.level));
    }
    this.drawBar(size);
  }

  drawBar(size) {
    this.bar.hidden = !this.microns || !this.fit;
    this.words.textContent = this.microns ? "" : this.noScale;
    if (this.bar.hidden) return;
    const perMicron = (this.fit * this.level) / this.microns;
    const length = BARS_UM.find((one) => one * perMicron <= size * 0.35) || BARS_UM[BARS_UM.length - 1];
    this.bar.style.width = `${length * perMicron}px`;
    this.bar.textContent = `${length} µm`;
  }
}

const cellPicture = new CellPicture(document.querySelector(".picture"));

// Keys: an element names those that press it, such as data-keys="1 l". A text field takes its key as "go there".
const MOVES = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat && !MOVES[event.key]) return;
  const at = event.target;
  if (at.matches("textarea, input, select")) {
    if (event.key === "Escape") at.blur();
    return;
  }
  const pressed = readerKeys.keyOf(event);
  const key = pressed === " " ? "Space" : pressed;
  if ((key === "Space" || key === "Enter") && at.matches("button, a, summary")) return;
  const meant = readerKeys.chosen[pressed];
  if (!meant && actOnPicture(key)) return event.preventDefault();
  const wanted = [...document.querySelectorAll("[data-keys]")].find((one) => (meant ? one.dataset.meant === meant : one.dataset.keys.split(" ").includes(key)));
  if (!wanted || wanted.closest("[hidden]")) return;
  event.preventDefault();
  if (wanted.matches("textarea")) wanted.focus();
  else wanted.click();
});

function actOnPicture(key) {
  if (MOVES[key] && cellPicture.level > 1) cellPicture.move(...MOVES[key]);
  else if (key === "+" || key === "=") cellPicture.step(1);
  else if (key === "-" || key === "_") cellPicture.step(-1);
  else if (key === "0") cellPicture.zoom(1);
  else return false;
  return true;
}
