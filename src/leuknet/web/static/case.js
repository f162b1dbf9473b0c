// What the scripts of a case share: its address, words, and how the server is asked.
// The scripts talk through `leuknet` and events of the document; each says at its head what it adds.

window.leuknet = (() => {
  const root = document.getElementById("case");
  const words = JSON.parse(document.getElementById("texts").textContent);

  function t(key, values = {}) {
    const form = "n" in values ? `${key}.${values.n === 1 ? "one" : "other"}` : key;
    return (words[form] ?? words[key]).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  }

  // Answers {status, body}; throws only if no answer came. Status 0 is never given.
  async function ask(path, { method = "GET", json, body, headers = {}, signal, inTime = false } = {}) {
    const all = { Accept: "application/json", ...headers };
    if (method !== "GET") all["X-Form-Token"] = document.body.dataset.formToken;
    if (json !== undefined) all["Content-Type"] = "application/json";
    const answer = await (inTime ? fetchInTime : fetch)(root.dataset.case + path, {
      method, headers: all, body: json === undefined ? body : JSON.stringify(json), signal, credentials: "same-origin",
    });
    const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
    const status = answer.redirected ? 401 : answer.status; // to the page where one signs in
    return { status, headers: answer.headers, body: isJson ? await answer.json() : await answer.text() };
  }

  // What is to be sent again: no answer came (null), the server is not itself, or one has to sign in or wait.
  const isToRepeat = (answer) => !answer || answer.status >= 500 || [401, 408, 429].includes(answer.status);

  function say(text) {
    document.getElementById("said").textContent = text;
  }

  const tell = (name, detail = {}) => document.dispatchEvent(new CustomEvent(name, { detail }));
  const on = (name, act) => document.addEventListener(name, (event) => act(event.detail));
  const wait = (milliseconds) => new Promise((done) => setTimeout(done, milliseconds));

  return { root, base: root.dataset.case, locked: root.dataset.locked === "yes", t, ask, isToRepeat, say, tell, on, wait };
})();
