// The gallery: filters, sorts and shows a page of wrong answers at a time, and one film large.
const rows = JSON.parse(document.getElementById("gallery-data").textContent).map(
  ([task, path, frame, truth, predicted, p, pTruth, film, problem, heat, heatSaid], number) => (
    { task, path, frame, truth, predicted, p, pTruth, film, problem, heat, heatSaid, number }
  ),
);
const list = document.getElementById("gallery-films");
const controls = document.getElementById("gallery-controls");
const pages = document.getElementById("gallery-pages");
const view = document.getElementById("gallery-view");
const toggles = [...document.querySelectorAll("#gallery .toggle")];
const field = (name) => controls.elements.namedItem(name);
const PICTURES = list.classList.contains("pictures");
const SIZE = PICTURES ? 48 : 100;
const ANY = "\u0000";
let shown = rows, page = 0, open = 0, heated = false;

const three = (value) => (value === null ? "–" : value.toFixed(3));
const whole = (row) => row.path + (row.frame ? `, frame ${row.frame}` : "");

function make(tag, text, cls) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  if (cls) element.className = cls;
  return element;
}

// a film, with its heat map over it where it has one; style shows or hides that
function films(row, frame) {
  const image = make("img");
  image.alt = "";
  image.src = `data:image/jpeg;base64,${row.film}`;
  frame.replaceChildren(image);
  if (row.heat) {
    const over = make("img", undefined, "heat");
    over.alt = "";
    over.src = `data:image/png;base64,${row.heat}`;
    frame.append(over);
  }
  return frame;
}

function heat(on) {
  heated = on;
  document.getElementById("gallery").classList.toggle("heated", on);
  for (const button of toggles) button.setAttribute("aria-pressed", String(on));
}

function options(name, values, any) {
  const select = field(name);
  const kept = select.value;
  select.replaceChildren();
  for (const [value, text] of [...(any ? [[ANY, any]] : []), ...values.map((v) => [v, v])]) {
    const option = make("option", text);
    option.value = value;
    select.append(option);
  }
  if ([...select.options].some((option) => option.value === kept)) select.value = kept;
}

const distinct = (values) => [...new Set(values)].sort();
const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const ORDERS = {
  sure: (a, b) => (b.p ?? 0) - (a.p ?? 0),
  unsure: (a, b) => (a.p ?? 0) - (b.p ?? 0),
  truth: (a, b) => compare(a.truth, b.truth),
  predicted: (a, b) => compare(a.predicted, b.predicted),
  path: (a, b) => compare(a.path, b.path),
};

function choose() {
  const task = field("task").value;
  const of = rows.filter((row) => row.task === task);
  options("truth", distinct(of.map((row) => row.truth)), "any");
  options("predicted", distinct(of.map((row) => row.predicted)), "any");
  filter();
}

function filter() {
  const [task, truth, predicted] = ["task", "truth", "predicted"].map((name) => field(name).value);
  shown = rows.filter((row) => row.task === task
    && (truth === ANY || row.truth === truth)
    && (predicted === ANY || row.predicted === predicted));
  const order = ORDERS[field("order").value];
  shown.sort((a, b) => order(a, b) || a.number - b.number);
  page = 0;
  draw();
}

function card(row, place) {
  const item = make("li");
  const button = make("button", undefined, "film");
  button.type = "button";
  button.tabIndex = place === page * SIZE ? 0 : -1;
  button.dataset.place = place;
  button.title = whole(row);
  if (PICTURES) {
    if (row.film) {
      button.append(films(row, make("span", undefined, "shown")));
    } else {
      button.append(make("span", row.problem, "none"));
    }
  }
  const named = PICTURES ? whole(row).split("/").pop() : whole(row);
  const said = make("span", undefined, "answer");
  said.append(make("b", `model: ${row.predicted}`), make("i", three(row.p)));
  button.append(said, make("span", `truth: ${row.truth}`, "truth"), make("span", named, "path"));
  item.append(button);
  return item;
}

function draw() {
  const last = Math.max(0, Math.ceil(shown.length / SIZE) - 1);
  page = Math.min(Math.max(page, 0), last);
  const from = page * SIZE, to = Math.min(from + SIZE, shown.length);
  list.replaceChildren(...shown.slice(from, to).map((row, i) => card(row, from + i)));
  list.start = from + 1;
  controls.querySelector("output").textContent =
    `${shown.length.toLocaleString("en")} film${shown.length === 1 ? "" : "s"}`;
  pages.hidden = last === 0;
  pages.querySelector("output").textContent =
    `${(from + 1).toLocaleString("en")}–${to.toLocaleString("en")}`;
  const [before, after] = pages.querySelectorAll("button");
  before.disabled = page === 0;
  after.disabled = page === last;
}

function focus(place) {
  if (place < 0 || place >= shown.length) return;
  if (Math.floor(place / SIZE) !== page) {
    page = Math.floor(place / SIZE);
    draw();
  }
  for (const button of list.querySelectorAll("button")) {
    button.tabIndex = Number(button.dataset.place) === place ? 0 : -1;
    if (button.tabIndex === 0) button.focus();
  }
}

function columns() {
  const tops = [...list.children].map((item) => item.offsetTop);
  const other = tops.findIndex((top) => top !== tops[0]);
  return other < 0 ? tops.length : other;
}

function look(place) {
  if (place < 0 || place >= shown.length) return;
  open = place;
  const row = shown[place];
  const frame = view.querySelector(".shown");
  frame.hidden = !row.film;
  frame.replaceChildren();
  if (row.film) films(row, frame);
  view.querySelector(".none").textContent = row.problem;
  const said = [
    ["model", `${row.predicted} (${three(row.p)})`],
    ["truth", `${row.truth} (${three(row.pTruth)})`],
    ["film", whole(row)],
    ...(row.heatSaid ? [["heat map", row.heatSaid]] : []),
    ["", `${(place + 1).toLocaleString("en")} of ${shown.length.toLocaleString("en")}`],
  ];
  view.querySelector("dl").replaceChildren(...said.flatMap(([k, v]) => [make("dt", k), make("dd", v)]));
  const [before, after] = view.querySelectorAll("button");
  before.disabled = place === 0;
  after.disabled = place === shown.length - 1;
  if (!view.open) view.showModal();
}

list.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) look(Number(button.dataset.place));
});
list.addEventListener("keydown", (event) => {
  const place = Number(document.activeElement?.dataset.place);
  if (Number.isNaN(place)) return;
  const to = {
    ArrowRight: place + 1,
    ArrowLeft: place - 1,
    ArrowDown: place + columns(),
    ArrowUp: place - columns(),
    Home: 0,
    End: shown.length - 1,
  }[event.key];
  if (to === undefined) return;
  event.preventDefault();
  focus(to);
});
view.addEventListener("keydown", (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (step) look(open + step);
});
view.addEventListener("click", (event) => {
  const step = Number(event.target.closest('button[type="button"]')?.value);
  if (step) look(open + step);
});
view.addEventListener("close", () => focus(open));
pages.addEventListener("click", (event) => {
  const step = Number(event.target.closest("button")?.value);
  if (!step) return;
  page += step;
  draw();
  list.scrollIntoView({ block: "nearest" });
});
for (const button of toggles) button.addEventListener("click", () => heat(!heated));
document.addEventListener("keydown", (event) => {
  const typed = event.ctrlKey || event.metaKey || event.altKey;
  if (!toggles.length || typed || event.target.closest("select, input")) return;
  if (event.key.toLowerCase() === "h") heat(!heated);
});
controls.addEventListener("submit", (event) => event.preventDefault());
controls.addEventListener("change", (event) => (event.target.name === "task" ? choose() : filter()));

options("task", distinct(rows.map((row) => row.task)));
document.getElementById("gallery-tasks").hidden = field("task").options.length < 2;
choose();
