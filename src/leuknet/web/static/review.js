// Decisions: by key, button or touch. Each is shown at once, and saved in the order they were made: one is on its
// way at a time, and is sent again while the server is away. Adds `leuknet.decide`.

leuknet.decide = (() => {
  const { cells, desk, ask, isToRepeat, t, say, tell, on, wait, locked } = leuknet;
  const keys = {
    1: "leukaemic", 2: "normal", 3: "uncertain", 4: "not_a_cell",
    l: "leukaemic", n: "normal", u: "uncertain", x: "not_a_cell",
    z: "undo", g: "goOn", j: "next", " ": "next",
  };
  let queue = []; // decisions that are not saved yet
  let past = []; // cells in the order of their decisions
  let away = false;
  let goesOn = localStorage.getItem("go-on") === "yes"; // to the next cell after each verdict

  function decide(verdict, note) {
    const index = desk.active();
    if (locked || index < 0) return;
    past.push(index);
    push({ index, verdict, note: note ?? leuknet.noteOf?.(index) ?? "" });
    cells.set(index, verdict);
    if (goesOn) desk.step(1);
  }

  function goOn() {
    goesOn = !goesOn;
    localStorage.setItem("go-on", goesOn ? "yes" : "no");
    showGoOn();
  }

  function showGoOn() {
    document.querySelectorAll("[data-action='goOn']").forEach((button) => button.setAttribute("aria-pressed", goesOn));
  }

  function undo() {
    if (locked) return;
    const index = past.pop();
    if (index === undefined) return say(t("nothing_to_undo"));
    desk.go(index);
    push({ index, undo: true });
  }

  function push(decision) {
    queue.push(decision);
    cells.unsaved.add(decision.index);
    if (queue.length === 1) work();
  }

  async function work() {
    let pause = 500;
    while (queue.length) {
      const answer = await send(queue[0]);
      if (isToRepeat(answer)) {
        away = true;
        if (answer?.status === 500) putBehind(queue[0].index);
        say(answer?.status === 401 ? t("signed_out") : t("away", { n: queue.length }));
        await wait(pause);
        pause = Math.min(15000, pause * 2);
        continue;
      }
      pause = 500;
      settle(queue.shift(), answer);
    }
    if (away) say(t("back"));
    away = false;
  }

  // A fault that this cell alone may meet: the others go first, each cell's own in their order.
  function putBehind(index) {
    queue.sort((one, other) => (one.index === index) - (other.index === index));
  }

  async function send({ index, ...decision }) {
    const expected = cells.review[index] || null;
    const path = `/cells/${cells.id[index]}/${decision.undo ? "undo" : "review"}`;
    if (decision.undo && expected === null) return { status: 204 };
    const json = decision.undo ? { expected_review_id: expected } : { verdict: decision.verdict, note: decision.note, expected_review_id: expected };
    try {
      return await ask(path, { method: "POST", json, inTime: true });
    } catch {
      return null;
    }
  }

  function settle(decision, { status, body }) {
    const { index } = decision;
    // What was decided of this cell behind a refused decision was decided without knowing that.
    if (![200, 204].includes(status)) queue = queue.filter((one) => one.index !== index);
    const later = queue.findLast((one) => one.index === index);
    if (!later) cells.unsaved.delete(index);
    if (status === 200) {
      // A decision that waits behind this one is what the page goes on showing.
      cells.set(index, later && !later.undo ? cells.said(index) : body.verdict, body.review_id);
      if (decision.undo) say(body.verdict ? t("undone_to", { verdict: t(`verdict_${body.verdict}`) }) : t("undone"));
      else say(t("saved", { verdict: t(`verdict_${body.verdict}`) }));
      tell("review:saved", { index, note: body.note });
    } else if (status === 204) {
      tell("cells:changed", { index }); // there was nothing to take back
    } else if (status === 409 && body.current) {
      const { verdict, review_id: review } = body.current;
      const elsewhere = review !== (cells.review[index] || null);
      cells.set(index, verdict, review);
      say(!elsewhere ? t("refused", { what: body.title, why: body.detail, fix: body.fix }) : verdict ? t("conflict", { verdict: t(`verdict_${verdict}`) }) : t("conflict_none"));
      tell("review:saved", { index, note: body.current.note });
    } else {
      say(t("refused", { what: body.title ?? status, why: body.detail ?? "", fix: body.fix ?? "" }));
      cells.load();
    }
  }

  function next() {
    const index = cells.nextUncertain(desk.active(), desk.list());
    if (index < 0) say(t("no_more"));
    else desk.go(index);
  }

  function showKeys() {
    const dialog = document.getElementById("keys");
    if (dialog.open) dialog.close();
    else dialog.showModal();
  }

  const actions = { undo, next, goOn, keys: showKeys };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input, select, textarea, [contenteditable]")) {
      if (event.key === "Escape") desk.focus();
      return;
    }
    const pressed = readerKeys.keyOf(event);
    if (pressed === "?") return showKeys();
    if (document.querySelector("dialog[open]") || !cells.count) return;
    if (event.key === " " && event.target.closest("button, a, summary")) return;
    const done = readerKeys.chosen[pressed] ?? keys[pressed];
    if (!done) return;
    if (actions[done]) actions[done]();
    else decide(done);
    event.preventDefault();
  });
  document.querySelectorAll("[data-verdict]").forEach((button) => button.addEventListener("click", () => decide(button.dataset.verdict)));
  document.querySelectorAll("[data-action]").forEach((button) => button.addEventListener("click", () => actions[button.dataset.action]()));

  function showPressed() {
    const said = desk.active() < 0 ? "" : cells.said(desk.active());
    document.querySelectorAll("[data-verdict]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.verdict === said));
  }
  showGoOn();
  on("desk:focus", showPressed);
  on("cells:changed", showPressed);
  on("cells:loaded", () => {
    if (past.length) return;
    const decided = cells.verdict.map((verdict, index) => (verdict ? index : -1)).filter((index) => index >= 0);
    past = decided.sort((a, b) => cells.review[a] - cells.review[b]);
  });
  window.addEventListener("beforeunload", (event) => { if (queue.length) event.preventDefault(); });
  return decide;
})();
