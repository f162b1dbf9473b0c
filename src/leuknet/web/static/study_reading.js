// Reading in a study: saves each answer at once and shows the next cell without loading the page anew.
// An answer that could not be sent is kept in this tab and sent again; without this script a plain form works.

const place = document.getElementById("shown");
const words = JSON.parse(document.getElementById("texts").textContent);
const form = document.querySelector("[data-read]");
const undoForm = document.querySelector("[data-undo]");
const trouble = document.querySelector("[data-trouble]");
const savedLine = document.querySelector("[data-saved]");
const keptName = `leuknet-read:${place.dataset.study}:${place.dataset.reader}`;

let shown = JSON.parse(place.textContent);
let seconds = 0; // that this cell was in view with the window in front
let since = null; // when counting began, null while it pauses
let busy = true; // until the picture is there, and while an answer is on its way
let tries = 0;
let focused = null; // a button that was pressed by keyboard: it loses the focus while it is disabled
let timer = null;
const pictures = new Map(); // address -> promise of a local address

const say = (name, values = {}) => words[name].replace(/\{(\w+)\}/g, (_, key) => values[key]);

// --- time ---------------------------------------------------------------------------------------------

function count() {
  const now = performance.now();
  if (since !== null) seconds += (now - since) / 1000;
  since = !busy && document.visibilityState === "visible" && document.hasFocus() ? now : null;
}

for (const [target, name] of [[document, "visibilitychange"], [window, "focus"], [window, "blur"]]) target.addEventListener(name, count);

// --- the picture ----------------------------------------------------------------------------------------

function fetched(address) {
  if (!pictures.has(address)) {
    const coming = fetchInTime(address).then((answer) => {
      if (!answer.ok) throw new Error(answer.statusText);
      return answer.blob();
    });
    pictures.set(address, coming.then((blob) => URL.createObjectURL(blob)));
    pictures.get(address).catch(() => pictures.delete(address));
  }
  return pictures.get(address);
}

// Not decode(): that waits until the window is painted, which one behind others may never be.
function loaded(image) {
  return new Promise((done, failed) => {
    const settle = () => (image.naturalWidth ? done() : failed(new Error("no picture")));
    if (image.complete) return settle();
    image.addEventListener("load", settle, { once: true });
    image.addEventListener("error", settle, { once: true });
  });
}

async function showPicture() {
  cellPicture.frame.classList.add("waiting");
  try {
    // The first picture comes with the page itself.
    if (cellPicture.image.getAttribute("src") !== shown.picture) {
      const address = await fetched(shown.picture);
      cellPicture.image.alt = say("cell_alt", shown);
      cellPicture.image.src = address;
    }
    await loaded(cellPicture.image);
  } catch {
    return tell("picture", { button: [say("again"), tryPictureAgain] });
  }
  cellPicture.frame.classList.remove("waiting");
  cellPicture.reset(shown.microns_per_pixel);
  for (const [address, coming] of pictures) {
    if (address === shown.picture || address === shown.next_picture) continue;
    coming.then((local) => URL.revokeObjectURL(local));
    pictures.delete(address);
  }
  if (shown.next_picture) fetched(shown.next_picture).catch(() => {}); // asked for again when it is its turn
  seconds = 0;
  since = null;
  setBusy(false);
  sendKept();
}

function tryPictureAgain() {
  clear();
  cellPicture.image.removeAttribute("src");
  showPicture();
}

function show(next, told) {
  shown = next;
  document.querySelector("[data-bar]").value = shown.read;
  document.querySelector("[data-bar]").max = shown.total;
  document.querySelector("[data-count]").textContent = say("count", shown);
  form.action = shown.address;
  form.elements.expected.value = shown.expected;
  form.elements.shown_at.value = shown.shown_at;
  form.elements.note.value = shown.before ? shown.before.note : "";
  setText("[data-before]", shown.before && say("before", { verdict: words[shown.before.verdict] }));
  undoForm.hidden = !shown.undo;
  if (shown.undo) {
    undoForm.action = shown.undo.address;
    undoForm.elements.expected.value = shown.undo.expected;
  }
  document.querySelector("[data-last]").hidden = !shown.last;
  showModel(shown.model);
  savedLine.textContent = say(told, shown);
  showPicture();
}

function setText(selector, content) {
  const one = document.querySelector(selector);
  one.hidden = !content;
  one.textContent = content || "";
}

function showModel(model) {
  const card = document.querySelector("[data-model]");
  card.hidden = !model;
  card.replaceChildren();
  if (!model) return;
  const probability = model.probability === null ? say("no_probability") : say("probability", { value: model.probability.toFixed(2) });
  const word = element("p", "", "model-word");
  word.append(element("strong", model.outcome));
  card.append(element("h2", say("model")), word, element("p", probability, "hint"));
  if (!model.warnings.length) return;
  const list = element("ul", "", "warnings");
  list.append(...model.warnings.map((one) => element("li", one)));
  card.append(list);
}

function element(name, content, kind = "") {
  const one = document.createElement(name);
  one.textContent = content;
  if (kind) one.className = kind;
  return one;
}

// --- saving -----------------------------------------------------------------------------------------------

function setBusy(now) {
  if (now && !busy) focused = document.activeElement;
  busy = now;
  count();
  for (const button of document.querySelectorAll("[data-read] button, [data-undo] button")) button.disabled = now;
  document.querySelector("[data-note]").readOnly = now;
  if (!now && focused && focused.matches("button")) focused.focus();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (busy || !event.submitter) return;
  count();
  const { expected, note, shown_at: shownAt } = form.elements;
  const body = { verdict: event.submitter.value, expected: expected.value, note: note.value };
  send({ address: shown.address, body: { ...body, shown_at: shownAt.value, seconds: seconds.toFixed(2) } });
});

undoForm.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!busy) send({ address: shown.undo.address, body: { expected: shown.undo.expected } });
});

// What was kept when the page went away, if it is of the cell that is shown.
function sendKept() {
  const kept = JSON.parse(sessionStorage.getItem(keptName) || "null");
  sessionStorage.removeItem(keptName);
  if (kept && kept.address === shown.address && kept.body.expected === shown.expected) send(kept);
}

async function send(message) {
  setBusy(true);
  clearTimeout(timer);
  sessionStorage.setItem(keptName, JSON.stringify(message));
  savedLine.textContent = say("saving");
  let answer;
  let content = null;
  try {
    answer = await fetchInTime(message.address, {
      method: "POST",
      body: new URLSearchParams(message.body),
      headers: { Accept: "application/json", "X-Form-Token": document.body.dataset.formToken },
    });
    content = await answer.json();
  } catch {
    return later(message);
  }
  if (answer.status >= 500 || answer.status === 429) return later(message, content);
  if (answer.status === 401) return signIn(message, content);
  sessionStorage.removeItem(keptName);
  tries = 0;
  clear();
  if (!answer.ok) return refused(content, message);
  // The page of the study says that all is done, or that the model comes in.
  if (content.done || content.phase !== shown.phase) return location.replace(`/studies/${place.dataset.study}`);
  show(content, message.body.verdict ? "saved" : "back");
}

function later(message, problem = null) {
  tries += 1;
  const wait = Math.min(15, 2 ** (tries - 1));
  savedLine.textContent = "";
  const told = problem && problem.detail ? { what: say("away_what"), why: problem.detail } : {};
  tell("away", { ...told, fix: say("away_fix", { seconds: wait }), kept: message, button: [say("now"), () => send(message)] });
  timer = setTimeout(() => send(message), wait * 1000);
}

function refused(problem, message) {
  savedLine.textContent = "";
  tell("", { what: problem.title, why: problem.detail, fix: problem.fix, kept: message, link: [say("look"), location.pathname] });
}

function signIn(message, problem) {
  savedLine.textContent = "";
  const link = [say("sign_in"), `/sign-in?next=${location.pathname}`];
  tell("", { what: problem.title, why: problem.detail, fix: problem.fix, kept: message, link });
}

function clear() {
  trouble.replaceChildren();
}

function tell(name, { what = say(`${name}_what`), why = say(`${name}_why`), fix = name === "away" ? "" : say(`${name}_fix`), kept, button, link }) {
  const box = element("div", "", "error");
  box.append(element("p", `${what}.`, "what"));
  if (kept && kept.body.verdict) box.append(element("p", say("kept", { verdict: words[kept.body.verdict] })));
  box.append(element("p", say("why", { why })), element("p", say("fix", { fix })));
  const act = element(link ? "a" : "button", (link || button)[0], "button");
  if (link) act.href = link[1];
  else act.addEventListener("click", button[1]);
  box.append(act);
  trouble.replaceChildren(box);
}

setBusy(true);
showPicture();
