// Draws the charts and moves the operating point. Reads only what the page itself holds.
const read = (id) => JSON.parse(document.getElementById(id).textContent);
const views = {};
const minus = (text) => text.replace("-", "−");
const three = (value) => (value === null ? "–" : minus(value.toFixed(3)));
const share = (part, whole) => (whole ? part / whole : null);

function percent(part, whole) {
  if (!whole) return "–";
  const value = (100 * part) / whole;
  if (value > 0 && value < 1) return "<1 %";
  if (value > 99 && value < 100) return ">99 %";
  return `${value.toFixed(0)} %`;
}

function numbersAt(counts, at) {
  const tp = counts.tp[at], fp = counts.fp[at];
  const fn = counts.positives - tp, tn = counts.negatives - fp;
  const t = counts.thresholds[at], films = counts.positives + counts.negatives;
  return {
    tp, fp, fn, tn, threshold: t,
    sensitivity: share(tp, tp + fn),
    specificity: share(tn, tn + fp),
    ppv: share(tp, tp + fp),
    npv: share(tn, tn + fn),
    net_benefit: films && t < 1 ? tp / films - (fp / films) * (t / (1 - t)) : null,
  };
}

// where the operating point lies on a chart of one kind; nothing where it does not exist
function placed(kind, now) {
  if (kind === "roc") {
    return now.sensitivity === null || now.specificity === null
      ? [] : [{ x: 1 - now.specificity, y: now.sensitivity }];
  }
  if (kind === "precision-recall") {
    return now.ppv === null || now.sensitivity === null
      ? [] : [{ x: now.sensitivity, y: now.ppv }];
  }
  return kind === "decision" ? [{ threshold: now.threshold }] : [{ from: now.threshold }];
}

function explorer(id, data) {
  const panel = document.getElementById(id);
  const slider = panel.querySelector("input");
  const choice = panel.querySelector("select");
  const cells = [...panel.querySelectorAll("tbody td")];
  const move = () => {
    const counts = data.classes[choice ? Number(choice.value) : 0];
    const now = numbersAt(counts, Number(slider.value));
    const said = now.threshold.toFixed(3);
    panel.querySelector("[data-threshold]").textContent = said;
    slider.setAttribute("aria-valuetext", said);
    panel.querySelector("[data-class]").textContent = counts.name;
    const rows = [
      [now.tp, counts.positives], [now.fn, counts.positives],
      [now.fp, counts.negatives], [now.tn, counts.negatives],
    ];
    rows.forEach(([films, all], i) => {
      const part = share(films, all) ?? 0;
      cells[i].querySelector("b").textContent = films.toLocaleString("en");
      cells[i].querySelector("small").textContent = percent(films, all);
      cells[i].style.setProperty("--share", part);
    });
    for (const shown of panel.querySelectorAll("[data-number]")) {
      shown.textContent = three(now[shown.dataset.number]);
    }
    for (const chart of data.charts) {
      const mine = !chart.of || chart.of === counts.name;
      views[chart.id]?.data("operating", mine ? placed(chart.kind, now) : []).run();
    }
  };
  slider.addEventListener("input", move);
  choice?.addEventListener("change", () => {
    const name = data.classes[Number(choice.value)].name;
    for (const chart of data.charts.filter((one) => one.of === name)) {
      const folded = document.getElementById(chart.id).closest("details.of-class");
      if (folded) folded.open = true;
    }
    move();
  });
  move();
}

const folded = () => document.querySelectorAll("details.of-class:not([open])");
let opened = [];
addEventListener("beforeprint", () => {
  opened = [...folded()];
  for (const one of opened) one.open = true;
});
addEventListener("afterprint", () => {
  for (const one of opened) one.open = false;
});
for (const [id, { spec }] of Object.entries(read("charts-data"))) {
  // the expressions of a chart are interpreted, never evaluated as code
  const made = await window.vegaEmbed(`#${id}`, spec, { renderer: "svg", actions: false, ast: true });
  views[id] = made.view;
}
for (const [id, data] of Object.entries(read("explorers-data"))) explorer(id, data);
document.documentElement.dataset.drawn = "yes";
