// Uploads in parts of 4 MiB, three files at a time. Whatever breaks - the network, the server, this page - an
// upload goes on where it stopped once the same file is chosen again: its key is made of its content.

(() => {
  const form = document.getElementById("upload-form");
  if (!form) return;
  const { ask, isToRepeat, t, wait } = leuknet;
  const PART = 4 * 2 ** 20;
  const AT_ONCE = 3;
  const list = document.getElementById("uploads-list");
  const now = document.getElementById("uploads-now");
  const rows = [];
  const paths = new WeakMap(); // of files within folders that were dropped
  let running = 0;
  let wake = () => {};

  const sha256 = (bytes) => crypto.subtle.digest("SHA-256", bytes);
  const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

  // The hash of the hashes of a file's parts, which the server computes again: two files are never one upload.
  // Browsers hash for https and this computer only; without that an upload does not outlive its page.
  async function keyOf(file) {
    if (!crypto.subtle) return `once-${hex(crypto.getRandomValues(new Uint8Array(32)))}`;
    const parts = [];
    for (let at = 0; at < file.size; at += PART) parts.push(await sha256(await file.slice(at, at + PART).arrayBuffer()));
    return `tree-${hex(await sha256(await new Blob(parts).arrayBuffer()))}`;
  }

  function scale() {
    const typed = form.elements.microns_per_pixel.value.trim().replace(",", ".");
    const { finest, coarsest } = form.dataset;
    const wrong = typed && !(Number(typed) >= Number(finest) && Number(typed) <= Number(coarsest));
    form.elements.microns_per_pixel.setCustomValidity(wrong ? t("scale_wrong", { finest, coarsest }) : "");
    return wrong ? undefined : typed ? Number(typed) : null;
  }

  function add(files) {
    const stated = scale();
    if (stated === undefined) return form.elements.microns_per_pixel.reportValidity();
    document.getElementById("uploads").hidden = false;
    for (const file of files) {
      const row = { file, scale: stated, kind: form.elements.kind.value, sent: 0, state: "waits", element: document.createElement("li") };
      const parts = ["strong", "progress", "span"].map((tag) => document.createElement(tag));
      row.name = paths.get(file) || file.webkitRelativePath || file.name;
      parts[0].textContent = row.name;
      parts[1].max = 100;
      parts[1].setAttribute("aria-label", parts[0].textContent);
      row.element.append(...parts);
      [, row.bar, row.words] = parts;
      list.append(row.element);
      rows.push(row);
      tell(row, "waits", t("upload_wait"));
    }
    for (; running < AT_ONCE && rows.some((row) => row.state === "waits"); running += 1) work();
  }

  async function work() {
    for (let row; (row = rows.find((one) => one.state === "waits")); ) {
      tell(row, "sending", t("upload_sending", { percent: 0 }));
      try {
        await send(row);
      } catch (error) {
        tell(row, "refused", error.message);
      }
    }
    running -= 1;
  }

  function tell(row, state, words) {
    row.state = state;
    row.element.dataset.state = state;
    row.words.textContent = words;
    row.bar.value = row.file.size ? (100 * row.sent) / row.file.size : 0;
    row.bar.hidden = state === "refused" || state === "done";
    const done = rows.filter((one) => one.state === "done" || one.state === "refused").length;
    const bytes = rows.reduce((sum, one) => sum + one.file.size, 0);
    const percent = bytes ? Math.floor((100 * rows.reduce((sum, one) => sum + (one.state === "refused" ? one.file.size : one.sent), 0)) / bytes) : 100;
    document.getElementById("uploads-all").textContent = t("upload_all", { done, of: rows.length, percent });
    document.getElementById("uploads-bar").value = percent;
  }

  // Asks until an answer comes that is one: growing pauses while the server is away or full.
  async function insist(row, path, options) {
    for (let pause = 1; ; pause = Math.min(30, pause * 2)) {
      const answer = await ask(path, options).catch(() => null);
      if (!isToRepeat(answer)) return answer;
      now.hidden = false;
      const words = row.words.textContent;
      for (let left = pause; left > 0; left -= 1) {
        row.words.textContent = answer?.status === 401 ? t("signed_out") : answer?.body?.detail ? refusal(answer) : t("upload_again", { seconds: left });
        const early = await Promise.race([wait(1000), new Promise((done) => { wake = () => done("now"); })]);
        if (early) break;
      }
      now.hidden = true;
      row.words.textContent = words;
    }
  }

  const refusal = ({ status, body }) => t("upload_refused", { what: body.title ?? status, why: body.detail ?? "", fix: body.fix ?? "" });

  async function begin(row) {
    const content = await keyOf(row.file);
    for (let turn = 0; ; turn += 1) { // a key that was refused before is used up
      const key = `${content}-${row.kind}-${row.scale ?? ""}`.slice(0, 92) + `-${turn}`;
      const json = { name: row.name, n_bytes: row.file.size, kind: row.kind, key, microns_per_pixel: row.scale };
      const answer = await insist(row, "/uploads", { method: "POST", json });
      if (answer.status !== 200) throw new Error(refusal(answer));
      if (answer.body.state !== "failed") return answer.body;
    }
  }

  async function send(row) {
    const upload = await begin(row);
    row.sent = upload.offset;
    while (row.sent < row.file.size) {
      const body = row.file.slice(row.sent, row.sent + PART);
      const headers = { "Upload-Offset": String(row.sent), "Content-Type": "application/octet-stream" };
      const answer = await insist(row, `/uploads/${upload.id}`, { method: "PATCH", body, headers });
      const offset = Number(answer.headers.get("Upload-Offset") ?? "NaN");
      if (!(answer.status === 200 || answer.status === 409) || Number.isNaN(offset)) throw new Error(refusal(answer));
      row.sent = offset;
      tell(row, "sending", t("upload_sending", { percent: Math.floor((100 * row.sent) / row.file.size) }));
    }
    tell(row, "sending", t("upload_checking"));
    const answer = await insist(row, `/uploads/${upload.id}/finish`, { method: "POST" });
    if (answer.status !== 200) throw new Error(refusal(answer));
    tell(row, "done", answer.body.images.length ? t("upload_done") : t("upload_worker"));
    leuknet.watch();
  }

  async function filesOf(entry) {
    if (entry.isFile) return new Promise((done) => entry.file((file) => done([paths.set(file, entry.fullPath.slice(1)) && file]), () => done([])));
    const reader = entry.createReader();
    const found = [];
    for (;;) { // a folder is read a hundred entries at a time
      const some = await new Promise((done) => reader.readEntries(done, () => done([])));
      if (!some.length) return found;
      for (const one of some) found.push(...(await filesOf(one)));
    }
  }

  const [file, folder, drop] = ["file", "folder", "drop"].map((id) => document.getElementById(id));
  folder.disabled = false;
  folder.removeAttribute("tabindex");
  document.getElementById("folder-label").hidden = false;
  document.getElementById("upload-send").hidden = true;
  for (const input of [file, folder]) {
    input.addEventListener("change", () => {
      add([...input.files]);
      input.value = "";
    });
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  form.elements.microns_per_pixel.addEventListener("input", scale);
  now.addEventListener("click", () => wake());

  document.addEventListener("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    drop.classList.add("over");
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
  document.addEventListener("drop", async (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    drop.classList.remove("over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
    const files = [...event.dataTransfer.files];
    add(entries.length ? (await Promise.all(entries.map(filesOf))).flat() : files);
    document.getElementById("upload").scrollIntoView({ block: "start" });
  });
  window.addEventListener("beforeunload", (event) => {
    if (rows.some((row) => row.state === "waits" || row.state === "sending")) event.preventDefault();
  });
})();
