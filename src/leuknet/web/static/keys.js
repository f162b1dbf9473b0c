// Keys: what one means on any layout, and which a reader chose. For cases and studies, before their own scripts.

const readerKeys = (() => {
  const MEANT = ["leukaemic", "normal", "uncertain", "not_a_cell", "undo", "goOn", "next"];
  const chosen = read(); // key to meaning, such as {"f": "leukaemic"}; in localStorage "keys", for this browser alone

  function read() {
    try {
      const own = Object.entries(JSON.parse(localStorage.getItem("keys")) ?? {});
      return Object.fromEntries(own.filter(([, meant]) => MEANT.includes(meant)));
    } catch {
      return {};
    }
  }

  // A Latin letter is what it says. AZERTY types "&" on the row of digits, a Persian keyboard other digits, a
  // Greek one other letters: there the place of the key counts.
  function keyOf({ key, code, shiftKey }) {
    if (code.startsWith("Digit") && !shiftKey) return code.slice(5);
    if (code.startsWith("Numpad") && /^[0-9]$/.test(code.slice(6))) return code.slice(6);
    if (/^[a-z?]$/i.test(key)) return key.toLowerCase();
    if (code.startsWith("Key")) return code.slice(3).toLowerCase();
    return shiftKey && code === "Slash" ? "?" : key;
  }

  // The form in which a reader gives a meaning another key: it is pressed, not typed.
  document.querySelectorAll("[data-own-keys]").forEach((form) => {
    const fields = [...form.querySelectorAll("input")];
    const show = () => fields.forEach((field) => {
      const key = Object.keys(chosen).find((one) => chosen[one] === field.name) ?? "";
      field.value = key === " " ? "␣" : key;
    });
    form.addEventListener("keydown", (event) => {
      const { name } = event.target;
      if (!MEANT.includes(name) || event.ctrlKey || event.metaKey || event.altKey) return;
      const key = keyOf(event);
      const clears = key === "Backspace" || key === "Delete";
      if (!clears && (key.length !== 1 || key === "?")) return; // Tab leaves the field, Escape the dialog
      event.preventDefault();
      for (const one of Object.keys(chosen)) if (chosen[one] === name) delete chosen[one];
      if (!clears) chosen[key] = name;
      localStorage.setItem("keys", JSON.stringify(chosen));
      show();
    });
    form.addEventListener("reset", (event) => {
      event.preventDefault();
      for (const one of Object.keys(chosen)) delete chosen[one];
      localStorage.removeItem("keys");
      show();
    });
    show();
  });

  return { chosen, keyOf };
})();
