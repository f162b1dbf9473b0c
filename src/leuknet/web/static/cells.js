// The cells of a case or image: columns of numbers, sorted and filtered here. Adds `leuknet.cells`.
// Events: "cells:loaded" after each load, "cells:changed" {index} when the reader's verdict of one changed.

leuknet.cells = (() => {
  const { root, ask, t, tell } = leuknet;
  const cells = { count: 0, unsaved: new Set() };
  let place = new Map();
  let rank = [];

  cells.load = async () => {
    const query = root.dataset.image ? `?image=${root.dataset.image}` : "";
    const { status, body } = await ask(`/cells.json${query}`);
    if (status !== 200) throw new Error(body.title ?? status);
    Object.assign(cells, body, { count: body.id.length });
    place = new Map(body.id.map((id, index) => [id, index]));
    rank = order("uncertainty");
    tell("cells:loaded");
  };

  cells.indexOf = (id) => place.get(id) ?? -1;
  cells.means = (index) => cells.outcomes[cells.outcome[index]].means;
  cells.outcomeWords = ({ name, means }) => (means === "other" ? name : t(`verdict_${means}`));
  cells.said = (index) => cells.verdicts[cells.verdict[index]];
  cells.base = (index) => `${leuknet.base}/images/${cells.image[index]}/cells/${cells.id[index]}`;
  cells.flagged = (index) => cells.flag_names.filter((_, bit) => cells.flags[index] & (1 << bit));
  // Flags of the picture; that a cell is unlike the training cells, its outcome says already.
  cells.marks = (index) => cells.flags[index] & ~(1 << cells.flag_names.indexOf("warned"));
  cells.reviewed = () => cells.verdict.reduce((sum, verdict) => sum + (verdict > 0), 0);

  // A cell without a score is the least certain of all.
  function distance(index) {
    const p = cells.probability[index];
    return p === null ? -1 : Math.abs(p - Number(root.dataset.threshold));
  }

  function order(sort) {
    const all = Array.from({ length: cells.count }, (_, index) => index);
    if (sort === "probability") all.sort((a, b) => (cells.probability[b] ?? -1) - (cells.probability[a] ?? -1) || a - b);
    if (sort === "uncertainty") {
      const far = all.map(distance);
      all.sort((a, b) => far[a] - far[b] || a - b);
    }
    return all;
  }

  cells.list = ({ sort, outcome, mine, flags }) => order(sort).filter((index) => {
    const said = cells.said(index);
    return (!outcome || cells.means(index) === outcome)
      && (!mine || (mine === "none" ? !said : mine === "any" ? said : said === mine))
      && (!flags || (flags === "none" ? !cells.flags[index] : flags === "any" ? cells.flags[index] : cells.flags[index] & Number(flags)));
  });

  // The next in the order of uncertainty, after where one is, round to the first; -1 if all are decided.
  cells.nextUncertain = (from, allowed) => {
    const start = rank.indexOf(from);
    for (let step = 1; step <= rank.length; step += 1) {
      const index = rank[(start + step) % rank.length];
      if (!cells.verdict[index] && index !== from && (!allowed || allowed.has(index))) return index;
    }
    return -1;
  };

  cells.set = (index, verdict, review) => {
    cells.verdict[index] = cells.verdicts.indexOf(verdict);
    if (review !== undefined) cells.review[index] = review ?? 0;
    tell("cells:changed", { index });
  };

  cells.describe = (index) => {
    const p = cells.probability[index];
    const said = cells.said(index);
    const flags = cells.flagged(index).map((name) => t(`flag_${name}`)).join(", ");
    return [
      p === null ? t("no_score") : `${cells.outcomeWords(cells.outcomes[cells.outcome[index]])} ${p.toFixed(2)}`,
      flags && t("flagged", { flags }),
      said ? t("mine", { verdict: t(`verdict_${said}`) }) : t("unreviewed"),
      cells.unsaved.has(index) && t("unsaved"),
    ].filter(Boolean).join(". ");
  };

  function count() {
    document.getElementById("counter").textContent = cells.count ? t("reviewed", { n: cells.reviewed(), of: cells.count }) : "";
  }
  leuknet.on("cells:loaded", count);
  leuknet.on("cells:changed", count);
  return cells;
})();
