"use strict";
// The page's script: map, lists and language. Text from the data only ever becomes textContent, never markup.
(() => {
  const D = JSON.parse(document.getElementById("data").textContent);
  const T = JSON.parse(document.getElementById("texts").textContent);
  const root = document.documentElement;
  const $ = (id) => document.getElementById(id);
  const C = D.committees;
  const PAGE = 50, PRINTED = 2000;
  const VERDICT = { p: "pass", f: "fail", u: "unknown", x: "exempt" };
  let lang = root.dataset.lang;
  let chosen = -1;

  const t = (key) => (T[lang][key] === undefined ? key : T[lang][key]);
  const named = (one) => (lang === "zh" ? one.zh || one.en : one.en || one.zh);
  const code = (one) => (D.codes[one] ? named(D.codes[one]) : T[lang]["code_" + one] || one);
  const css = (name) => getComputedStyle(root).getPropertyValue(name).trim();
  const figure = (one) => (one === null || one === undefined ? "–" : one.toLocaleString("en-US"));
  const typeName = (n) => (n < 0 ? "" : named(D.types[n]));
  const requirementName = (r) => (r.type >= 0 ? typeName(r.type) : r.types.split("|").map((id) => {
    const n = D.types.findIndex((one) => one.id === id);
    return n < 0 ? id : typeName(n);
  }).join(" + "));

  function make(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "onclick") node.addEventListener("click", value);
      else if (value !== null && value !== undefined) node.setAttribute(name, value);
    }
    for (const child of children) node.append(child);
    return node;
  }

  // minutes and seconds: a pass never reads as more than it took, a fail never as less
  function clock(seconds, verdict) {
    if (seconds === null || seconds === undefined) return "–";
    const whole = verdict === "f" ? Math.ceil(seconds - 1e-9) : Math.floor(seconds + 1e-9);
    return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
  }
  // what was looked for in vain lies beyond the search's end, which is a multiple of the limit
  const timeOf = (one, n) => (one.time[n] === null && one.verdict[n] === "f" && one.limit[n] !== null
    && D.reasons[one.reason[n]] === "too_far" ? `> ${clock(one.limit[n] * D.search_factor)}` : clock(one.time[n], one.verdict[n]));
  const mark = (letter) => make("span", { class: "mark " + VERDICT[letter] }, code(VERDICT[letter]));

  // map ------------------------------------------------------------------------------------------------------------
  const rings = (list) => list.map((flat) => {
    let x = flat[0], y = flat[1];
    const points = [[y, x]];
    for (let n = 2; n < flat.length; n += 2) {
      x += flat[n];
      y += flat[n + 1];
      points.push([y, x]);
    }
    return points;
  });
  const map = L.map("canvas", { crs: L.CRS.Simple, preferCanvas: true, minZoom: -12, maxZoom: 4, zoomSnap: 0.25,
    attributionControl: false }).setView([0, 0], -4); // a canvas can take shapes only once there is a view
  L.control.scale({ imperial: false, maxWidth: 160 }).addTo(map);
  const borders = L.layerGroup().addTo(map);
  const shapes = [];
  const overlay = L.layerGroup().addTo(map);
  const circle = L.layerGroup().addTo(map);
  const HALO = 7;
  // a line of the accent on a wider one of paper: it is seen on every colour of a rate
  function haloed(draw, options) {
    draw({ ...options, fill: false, weight: HALO, color: css("--paper"), dashArray: null, interactive: false }).addTo(circle);
    draw({ color: css("--accent"), weight: 2.5, interactive: false, ...options }).addTo(circle);
  }
  const step = (share) => (share === null ? -1 : D.steps.bounds.filter((one) => share >= one).length);

  function drawBase() {
    for (let n = 0; n < C.id.length; n++) {
      const area = C.area && C.area[n].length ? rings(C.area[n]) : null;
      let shape = null;
      if (area) shape = L.polygon(area, { weight: 0.7 });
      else if (C.x[n] !== null) shape = L.circleMarker([C.y[n], C.x[n]], { radius: 5, weight: 1 });
      if (shape) shape.on("click", () => choose(n, false)).bindTooltip(() => hint(n), { sticky: true }).addTo(map);
      shapes.push(shape);
    }
    for (const border of D.towns.border) {
      if (border.length) L.polygon(rings(border), { fill: false, weight: 1.6, interactive: false }).addTo(borders);
    }
    const all = L.featureGroup([...shapes.filter(Boolean), ...borders.getLayers()]);
    if (all.getLayers().length) map.fitBounds(all.getBounds().pad(0.02), { animate: false });
  }
  function hint(n) {
    const node = make("div", {}, make("b", {}, C.name[n] || C.id[n]), make("br"), D.towns.id[C.town[n]]);
    const [letter, share] = colourOf(n);
    node.append(make("br"), letter ? code(VERDICT[letter]) : share === null ? "–" : percent(share));
    return node;
  }
  const percent = (share) => (share === null ? "–" : (Math.floor(Math.round(share * 1e6) / 1e3) / 10).toFixed(1) + " %");
  // the requirement that tells a type's time and people: the first that decides
  const deciding = D.types.map((_, n) => D.requirements.filter((one) => one.type === n && one.decides));

  function colourOf(n) { // a verdict's letter, or a share of 1
    const type = $("shown").value === "all" ? -1 : +$("shown").value;
    const rate = $("by").value === "rate";
    if (type < 0) {
      if (!rate) return [C.verdict[n], null];
      const judged = C.passed[n] + C.failed[n];
      return [null, judged ? C.passed[n] / judged : null];
    }
    if (!rate) return [D.items[type][n], null];
    // of several requirements the least; where one can't be told, neither can all of them together
    const found = deciding[type].filter((one) => one.verdict[n] !== "x").map((one) => one.covered[n]);
    return [null, found.length && !found.includes(null) ? Math.min(...found) / 100 : null];
  }
  function paint() {
    const line = css("--ink-soft");
    shapes.forEach((shape, n) => {
      if (!shape) return;
      const [letter, share] = colourOf(n);
      const fill = letter ? css("--" + VERDICT[letter]) : share === null ? css("--unknown") : css("--s" + step(share));
      // the chosen one's line is only the halo of the outline that choose() draws above it
      shape.setStyle({ fillColor: fill, fillOpacity: 1, color: n === chosen ? css("--paper") : line,
        weight: n === chosen ? HALO : 0.7 });
      if (n === chosen) shape.bringToFront();
    });
    // one canvas for all (of two, the upper one takes every click): what lies above is brought there, in this order
    borders.eachLayer((one) => one.setStyle({ color: css("--ink") }));
    circle.eachLayer((one) => one.bringToFront());
    overlay.clearLayers();
    const type = $("shown").value === "all" ? -1 : +$("shown").value;
    if ($("with-facilities").checked && type >= 0) {
      D.facilities.type.forEach((one, n) => {
        if (one !== type || D.facilities.x[n] === null) return;
        L.circleMarker([D.facilities.y[n], D.facilities.x[n]], { radius: 3.5, weight: 1,
          color: css("--paper"), fillColor: css("--facility"), fillOpacity: 1 })
          .bindTooltip(() => make("div", {}, make("b", {}, D.facilities.name[n] || D.facilities.id[n]), make("br"),
            typeName(one))).addTo(overlay);
      });
    }
    if ($("with-gaps").checked) {
      const count = new Map();
      for (const [n, r] of D.gaps) {
        if (type < 0 || D.requirements[r].type === type) count.set(n, (count.get(n) || 0) + 1);
      }
      for (const [n, gaps] of count) {
        if (C.x[n] === null) continue;
        L.circleMarker([C.y[n], C.x[n]], { radius: 3 + 1.5 * Math.sqrt(gaps), weight: 1.5, fill: false,
          color: css("--fail-strong"), interactive: false }).addTo(overlay);
      }
    }
    if (D.projects && $("with-projects").checked) {
      for (const one of D.projects) {
        if (one.x === null || (type >= 0 && one.type_id !== D.types[type].id)) continue;
        // their colours are near those of rates: a ring of paper around a dark outline tells them apart
        L.circleMarker([one.y, one.x], { radius: 9.5, weight: 2.5, color: css("--paper"), fill: false, interactive: false })
          .addTo(overlay);
        L.circleMarker([one.y, one.x], { radius: 7.5, weight: 2, color: css("--ink"),
          fillColor: css("--means-" + (one.means || "none")), fillOpacity: one.applied ? 1 : 0 })
          .on("click", (event) => { // what lies below is meant, but where a tap is the only way to the tooltip
            const below = L.Browser.mobile ? -1 : shapes.findIndex((shape) => shape && shape._containsPoint(event.layerPoint));
            if (below >= 0) choose(below, false);
          })
          .bindTooltip(() => make("div", {}, make("b", {}, one.name || one.project_id), make("br"), one.project_id,
            make("br"), `${t("code_" + one.action)} · ${one.means ? t("code_" + one.means) : ""} · ${one.open_year || ""}`))
          .addTo(overlay);
      }
    }
    legend(type);
  }
  function legend(type) {
    const node = $("legend");
    node.replaceChildren();
    const entry = (colour, text, round) => node.append(make("span", {}, make("i", { class: "swatch" + (round ? " round" : ""),
      style: "background:" + colour }), text));
    if ($("by").value === "rate") {
      D.steps.labels.forEach((text, n) => entry(`var(--s${n})`, text));
      entry("var(--unknown)", t("nothing_judged"));
    } else for (const one of Object.values(VERDICT)) entry(`var(--${one})`, code(one));
    if (type >= 0 && $("with-facilities").checked) entry("var(--facility)", t("facilities"), true);
    if (D.projects && $("with-projects").checked) {
      for (const one of ["reuse", "compound", "new"]) entry(`var(--means-${one}); border: 2px solid var(--ink)`, t("code_" + one), true);
    }
    if (D.circles && chosen >= 0) entry("transparent; border: 2px solid var(--accent)", t("circle"));
  }
  function choose(n, move) {
    chosen = n;
    circle.clearLayers();
    if (n >= 0) {
      for (const [, , flat] of (D.circles ? D.circles[n] : [])) {
        haloed((how) => L.polygon(rings(flat), how), { fillColor: css("--accent"), fillOpacity: 0.12 });
      }
      const type = $("shown").value === "all" ? -1 : +$("shown").value;
      for (const one of type < 0 ? [] : deciding[type]) {
        const f = one.facility[n];
        if (f === null || D.facilities.x[f] === null || C.x[n] === null) continue;
        haloed((how) => L.polyline([[C.y[n], C.x[n]], [D.facilities.y[f], D.facilities.x[f]]], how), { dashArray: "4 4" });
      }
      const shape = shapes[n];
      if (shape) haloed((how) => (shape.getLatLngs ? L.polygon(shape.getLatLngs(), how)
        : L.circleMarker(shape.getLatLng(), { ...how, radius: 5 })), { fill: false, weight: 3 });
      const own = L.featureGroup([...circle.getLayers(), ...(shapes[n] ? [shapes[n]] : [])]);
      if (move && own.getLayers().length) map.fitBounds(own.getBounds().pad(0.3), { maxZoom: 0 });
    }
    paint();
    detail();
  }
  // a box that scrolls is a stop of the tab key and has a name; one that holds everything is neither
  const boxes = new ResizeObserver((entries) => entries.forEach(({ target }) => {
    const box = target.closest(".scroll"), place = box.closest("details.domain, aside, section");
    if (!place) return; // of a committee that is no longer shown
    const heading = place.querySelector("h2, h3");
    const scrolls = box.scrollWidth > box.clientWidth + 1 || box.scrollHeight > box.clientHeight + 1;
    heading.id ||= `heading-${document.querySelectorAll("[id^=heading-]").length}`;
    for (const [name, value] of [["tabindex", 0], ["role", "region"], ["aria-labelledby", heading.id]]) {
      if (scrolls) box.setAttribute(name, value);
      else box.removeAttribute(name);
    }
  }));
  function detail() {
    const node = $("detail"), n = chosen;
    if (n < 0) {
      node.replaceChildren(make("p", {}, t(D.circles ? "click_hint" : "click_hint_plain")));
      return;
    }
    const zone = C.zone[n] === null ? "" : named(D.towns.zones[C.zone[n]]);
    const facts = [D.towns.id[C.town[n]], zone, C.people ? `${figure(C.people[n])} ${t("persons")}` : ""];
    const body = make("tbody");
    const rows = [];
    D.requirements.forEach((one) => {
      if (one.decides) rows.push(one);
    });
    const order = { f: 0, u: 1, p: 2, x: 3 };
    rows.sort((a, b) => b.headline - a.headline || order[a.verdict[n]] - order[b.verdict[n]]);
    for (const one of rows) {
      const letter = one.verdict[n];
      const f = one.facility[n];
      const where = f === null ? "" : D.facilities.name[f] || D.facilities.id[f];
      const measure = [one.kind === "provision" || one.limit[n] === null ? "" : `${timeOf(one, n)} / ${clock(one.limit[n])}`,
        one.value === null || one.value[n] === null ? "" : `${figure(one.value[n])} / ${figure(one.target[n])} ${code(one.unit)}`];
      body.append(make("tr", {}, make("th", { scope: "row" }, requirementName(one), one.headline ? "" :
        make("small", {}, " " + t("not_headline"))), make("td", {}, mark(letter)),
      make("td", { class: "n" }, measure.filter(Boolean).join(" · ")), make("td", {}, code(D.reasons[one.reason[n]]), where ? make("small", {}, " " + where) : "")));
    }
    const head = make("thead", {}, make("tr", {}, ...["type", "verdict", "held_against", "reason"].map((key) =>
      make("th", { scope: "col" }, t(key)))));
    node.replaceChildren(make("h3", {}, C.name[n] || C.id[n]), make("p", {}, make("code", {}, C.id[n]), " ",
      facts.filter(Boolean).join(" · "), " ", mark(C.verdict[n])),
    make("p", { class: "fine" }, D.circles ? (D.circles[n].length ? D.circles[n].map(([mode, s]) =>
      t("circle_line").replace("{mode}", code(mode)).replace("{minutes}", Math.round(s / 60))).join(" · ") : t("no_circle")) : t("circles_not_here")),
    make("div", { class: "scroll" }, make("table", {}, head, body)));
    boxes.observe(node.querySelector(".scroll"));
  }

  // lists ----------------------------------------------------------------------------------------------------------
  function List(name, rows, columns, filters) {
    const table = $(name + "-table"), form = $(name + "-form");
    let page = 0, sort = -1, down = false, size = PAGE;
    const text = $(name + "-text");
    function kept() {
      const words = text.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
      const tests = filters.filter(([id]) => $(id).value !== "").map(([id, of]) => [$(id).value, of]);
      const found = rows.filter((row) => tests.every(([value, of]) => String(of(row)) === value)
        && words.every((word) => columns.some((c) => c.search && `${c.value(row)} ${c.also ? c.also(row) : ""}`.toLowerCase().includes(word))));
      if (sort >= 0) {
        const of = columns[sort].value, sign = down ? -1 : 1;
        const missing = (one) => one === null || one === undefined || one === "";
        found.sort((a, b) => {
          const x = of(a), y = of(b);
          if (missing(x) || missing(y)) return missing(x) - missing(y); // what is missing comes last both ways
          return sign * (typeof x === "number" ? x - y : String(x).localeCompare(String(y), lang === "zh" ? "zh-CN" : "en"));
        });
      }
      return found;
    }
    function show() {
      const found = kept(), pages = Math.max(1, Math.ceil(found.length / size));
      page = Math.min(page, pages - 1);
      table.tHead.replaceChildren(make("tr", {}, ...columns.map((c, n) => make("th", { scope: "col", class: c.number ? "n" : null,
        "aria-sort": n === sort ? (down ? "descending" : "ascending") : "none" },
      make("button", { type: "button", onclick: () => {
        down = n === sort ? !down : Boolean(c.number);
        sort = n;
        page = 0;
        show();
        table.tHead.rows[0].cells[n].firstChild.focus();
      } }, t(c.key) + (c.unit ? (lang === "zh" ? `（${c.unit}）` : ` (${c.unit})`) : ""), n === sort ? (down ? " ▼" : " ▲") : "")))));
      // a head is repeated on paper, and a button in it isn't
      for (const one of table.tHead.rows[0].cells) one.append(make("span", { class: "printed" }, one.textContent));
      table.tBodies[0].replaceChildren(...found.slice(page * size, (page + 1) * size).map((row) => make("tr", {},
        ...columns.map((c) => make("td", { class: c.number ? "n" : c.narrow ? "id" : null }, c.cell ? c.cell(row) : figureOrText(c, row))))));
      const cut = size > PAGE && found.length > size ? ` (${t("printed")} ${figure(size)})` : "";
      $(name + "-count").textContent = `${figure(found.length)} / ${figure(rows.length)} ${t("rows")}${cut}`;
      $(name + "-count").classList.toggle("screen", !cut); // on paper only what is left out is worth a line
      $(name + "-page").textContent = `${page + 1} / ${pages}`;
      $(name + "-before").disabled = page === 0;
      $(name + "-after").disabled = page >= pages - 1;
    }
    const figureOrText = (c, row) => (c.number ? figure(c.value(row)) : String(c.value(row) ?? ""));
    const again = () => { page = 0; show(); };
    form.addEventListener("input", again);
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("reset", () => setTimeout(again));
    $(name + "-before").addEventListener("click", () => { page--; show(); });
    $(name + "-after").addEventListener("click", () => { page++; show(); });
    // paper has no next page to click
    addEventListener("beforeprint", () => { size = PRINTED; page = 0; show(); });
    addEventListener("afterprint", () => { size = PAGE; show(); });
    return { show, again };
  }
  const toMap = (n, label) => make("button", { type: "button", class: "link", onclick: () => {
    choose(n, true);
    $("map").scrollIntoView();
  } }, label);
  const gapRow = ([n, r, people, missing]) => {
    const one = D.requirements[r];
    return { n, r, people, missing, one, type: one.type, reason: D.reasons[one.reason[n]] };
  };
  const gaps = List("gap", D.gaps.map(gapRow), [
    { key: "committee", search: true, value: (g) => C.name[g.n] || C.id[g.n], cell: (g) => toMap(g.n, C.name[g.n] || C.id[g.n]) },
    { key: "id", search: true, narrow: true, value: (g) => C.id[g.n] },
    { key: "town", search: true, value: (g) => D.towns.id[C.town[g.n]] },
    { key: "type", search: true, value: (g) => requirementName(g.one) },
    { key: "reason", value: (g) => code(g.reason) },
    { key: "time", number: true, value: (g) => g.one.time[g.n], cell: (g) => timeOf(g.one, g.n) },
    { key: "limit", number: true, value: (g) => g.one.limit[g.n], cell: (g) => clock(g.one.limit[g.n]) },
    { key: "missing", number: true, value: (g) => g.missing },
    { key: "people_affected", number: true, value: (g) => g.people },
  ], [["gap-town", (g) => C.town[g.n]], ["gap-type", (g) => g.one.types], ["gap-reason", (g) => g.reason],
    ["gap-domain", (g) => (g.type < 0 ? "" : D.types[g.type].domain)]]);
  const typeOf = (id) => {
    const n = D.types.findIndex((one) => one.id === id);
    return n < 0 ? id : typeName(n);
  };
  const projects = D.projects && List("project", D.projects, [
    { key: "project", search: true, value: (p) => p.name || p.project_id, cell: (p) => make("span", {}, p.name || p.project_id,
      p.units === 1 ? "" : ` × ${figure(p.units)}`, make("br"), make("small", {}, [p.name ? p.project_id : "", p.applied ? "" : t("not_applied")].filter(Boolean).join(" · "))) },
    { key: "action", value: (p) => t("code_" + p.action) },
    { key: "type", search: true, value: (p) => typeOf(p.type_id) },
    { key: "town", search: true, value: (p) => p.town_id },
    { key: "means", value: (p) => (p.means ? t("code_" + p.means) : "") },
    { key: "status", value: (p) => t("code_" + p.status) },
    { key: "start_year", number: true, value: (p) => p.start_year ?? p.plan_year, cell: (p) => (p.start_year === null
      && p.plan_year !== null ? t("by_plan_year").replace("{year}", p.plan_year) : String(p.start_year ?? "–")) },
    { key: "open_year", number: true, value: (p) => p.open_year, cell: (p) => String(p.open_year ?? "–") },
    { key: "cost", unit: D.currency, number: true, value: (p) => p.cost, cell: (p) => (p.cost === null ? "–"
      : p.cost.toLocaleString("en-US", { minimumFractionDigits: 1, maximumFractionDigits: 3 })) },
    { key: "closes", number: true, value: (p) => p.closes },
    { key: "people_gained", number: true, value: (p) => p.people },
    { key: "department", search: true, value: (p) => p.department, also: (p) => p.project_id },
  ], [["project-town", (p) => p.town_id], ["project-means", (p) => p.means]]);

  // choices --------------------------------------------------------------------------------------------------------
  function fill(select, entries, first) {
    const kept = select.value;
    select.replaceChildren(...(first === null ? [] : [make("option", { value: "" }, first)]),
      ...entries.map(([value, label]) => make("option", { value }, label)));
    if ([...select.options].some((one) => one.value === kept)) select.value = kept;
  }
  function choices() {
    const shown = $("shown"), kept = shown.value || "all";
    const groups = D.domains.concat([{ id: null }]).map((domain) => {
      const own = D.types.map((one, n) => [one, n]).filter(([one]) => (domain.id === null
        ? !D.domains.some((d) => d.id === one.domain) : one.domain === domain.id));
      const group = make("optgroup", { label: domain.id === null ? t("other_types") : named(domain) });
      own.forEach(([, n]) => group.append(make("option", { value: n }, typeName(n))));
      return group;
    }).filter((group) => group.children.length);
    shown.replaceChildren(make("option", { value: "all" }, t("all_items")), ...groups);
    shown.value = kept;
    fill($("by"), [["rate", t("by_rate")], ["verdict", t("by_verdict")]], null);
    fill($("gap-town"), D.towns.id.map((id, n) => [n, id]), t("every"));
    fill($("gap-domain"), D.domains.map((one) => [one.id, named(one)]), t("every"));
    const used = new Map(D.gaps.map(([, r]) => [D.requirements[r].types, requirementName(D.requirements[r])]));
    fill($("gap-type"), [...used], t("every"));
    const reasons = [...new Set(D.gaps.map(([n, r]) => D.reasons[D.requirements[r].reason[n]]))].sort();
    fill($("gap-reason"), reasons.map((one) => [one, code(one)]), t("every"));
    if (D.projects) {
      fill($("project-town"), [...new Set(D.projects.map((p) => p.town_id))].sort().map((one) => [one, one]), t("every"));
      fill($("project-means"), ["reuse", "compound", "new"].map((one) => [one, t("code_" + one)]), t("every"));
    }
  }
  function setLanguage(next) {
    lang = next;
    root.dataset.lang = next;
    root.lang = next === "zh" ? "zh-CN" : "en";
    $("language").textContent = next === "zh" ? "English" : "中文";
    $("language").lang = next === "zh" ? "en" : "zh-CN";
    for (const node of document.querySelectorAll("[data-zh][data-en]")) {
      node.setAttribute(node.placeholder === undefined ? "aria-label" : "placeholder", node.dataset[next]);
    }
    for (const one of cells) {
      const rate = one.textContent === "–" ? t("nothing_judged") : one.textContent + " %";
      one.setAttribute("aria-label", `${D.towns.id[one.dataset.town]} · ${typeName(+one.dataset.type)} · ${rate}`);
    }
    choices();
    gaps.show();
    if (projects) projects.show();
    paint();
    detail();
  }
  $("find-list").append(...C.id.map((id, n) => make("option", { value: C.name[n] ? `${C.name[n]} · ${id}` : id })));
  const labels = new Map(C.id.map((id, n) => [C.name[n] ? `${C.name[n]} · ${id}` : id, n]));
  function find() {
    const word = $("find").value.trim();
    let n = labels.has(word) ? labels.get(word) : C.id.indexOf(word);
    if (n < 0) {
      const near = C.id.map((_, k) => k).filter((k) => C.name[k] === word);
      n = near.length === 1 ? near[0] : -1;
    }
    if (n >= 0) choose(n, true);
  }
  $("find").addEventListener("change", find);
  $("map-form").addEventListener("submit", (event) => { event.preventDefault(); find(); });
  const redraw = () => (chosen < 0 ? paint() : choose(chosen, false));
  for (const id of ["shown", "by"]) $(id).addEventListener("change", redraw);
  for (const id of ["with-facilities", "with-gaps", "with-projects"]) if ($(id)) $(id).addEventListener("change", paint);
  $("language").addEventListener("click", () => setLanguage(lang === "zh" ? "en" : "zh"));
  $("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    redraw();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  $("print").addEventListener("click", () => print());
  addEventListener("beforeprint", () => document.querySelectorAll("details.domain").forEach((one) => { one.open = true; }));
  // the map is drawn for paper: light, of the paper's size, and with all that the screen showed
  let before = null;
  addEventListener("beforeprint", () => {
    if (before) return;
    before = { theme: root.dataset.theme, centre: map.getCenter(), zoom: map.getZoom() };
    const shown = map.getBounds();
    root.dataset.theme = "light";
    root.classList.add("paper");
    map.invalidateSize({ animate: false, pan: false }).fitBounds(shown, { animate: false });
    redraw();
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    if (before.theme) root.dataset.theme = before.theme;
    else delete root.dataset.theme;
    root.classList.remove("paper");
    map.invalidateSize({ animate: false, pan: false }).setView(before.centre, before.zoom, { animate: false });
    before = null;
    redraw();
  });
  // the matrix is one stop of the tab key; within it the arrows lead
  const cells = [...document.querySelectorAll(".matrix button")];
  cells.forEach((one, n) => { one.tabIndex = n ? -1 : 0; });
  document.querySelector(".matrix").addEventListener("keydown", (event) => {
    const cell = event.target.closest("td"), row = cell && cell.parentElement;
    if (!cell) return;
    const [down, right] = { ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1] }[event.key] || [0, 0];
    const next = down ? row.parentElement.rows[row.sectionRowIndex + down] : row;
    const found = next && next.cells[cell.cellIndex + right]?.querySelector("button");
    if (!(down || right) || !found) return;
    event.preventDefault();
    event.target.tabIndex = -1;
    found.tabIndex = 0;
    found.focus();
  });
  for (const button of cells) {
    button.addEventListener("click", () => {
      $("gap-form").reset();
      setTimeout(() => {
        $("gap-town").value = button.dataset.town;
        $("gap-type").value = D.types[+button.dataset.type].id;
        if ($("gap-type").value === "") $("gap-text").value = typeName(+button.dataset.type); // no gap of it anywhere
        gaps.again();
        $("gaps").scrollIntoView();
      });
    });
  }
  drawBase();
  setLanguage(lang);
  for (const one of document.querySelectorAll("main .scroll, main .scroll > table")) boxes.observe(one);
  root.style.setProperty("--running", `"${CSS.escape(document.title)}"`); // the foot of printed pages
  root.dataset.ready = "yes";
})();
