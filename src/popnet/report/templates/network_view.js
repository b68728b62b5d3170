// Networks of two groups side by side. Names are drawn on a canvas or written as text.
"use strict";
popnet.section("networks", (root, { views }) => {
  const { element, number } = popnet;
  const form = root.querySelector("form");
  const controls = form.elements;
  const canvases = [...root.querySelectorAll(".network-canvas")];
  const captions = [...root.querySelectorAll("figcaption")];
  const chosen = root.querySelector(".network-chosen");
  const tables = root.querySelector(".network-tables");
  const tip = root.querySelector(".network-tip");
  const SIDES = ["control", "case"];
  const LOWER = [33, 102, 172], SAME = [178, 178, 178], HIGHER = [178, 24, 43];
  // So many links are shown at first; so many genes have names at every zoom.
  const AT_FIRST = 250, NAMED = 25;
  let shown, graphs = [], largest = {}, moving = false;

  const isGenes = () => controls.level.value === "genes";
  const known = (value) => value !== null && value !== undefined;
  const strength = (link, side) => Math.abs(link[side] ?? 0);
  const title = (node) => (node.label ? `${node.label} ${node.name}` : node.name);
  const share = (value) => (isGenes() ? `${Math.round(100 * value)} %` : number(value));

  function colour(change, most) {
    const part = known(change) && most ? Math.max(-1, Math.min(1, change / most)) : 0;
    const end = part < 0 ? LOWER : HIGHER;
    const mixed = SAME.map((from, at) => Math.round(from + Math.abs(part) * (end[at] - from)));
    return `rgb(${mixed.join(",")})`;
  }

  function sizeOf(node, side, degree) {
    if (isGenes()) return 14 + 5 * Math.sqrt(degree);
    return 30 + 60 * Math.sqrt((node[side] ?? 0) / largest.size);
  }

  // The nodes and links that the controls ask for.
  function wanted() {
    const least = Number(controls.strength.value);
    let members = null;
    if (isGenes()) {
      for (const [name, groups] of [["module", shown.modules], ["set", shown.sets]]) {
        if (controls[name].value === "") continue;
        const own = new Set(groups[Number(controls[name].value)].nodes);
        members = members ? new Set([...members].filter((node) => own.has(node))) : own;
      }
    }
    const links = shown.links.map((link) => SIDES.map((side) =>
      strength(link, side) >= least - 1e-9
      && (!controls.changed.checked || link.hit)
      // A gene of the filter, with its neighbours.
      && (!members || link.ends.some((end) => members.has(end)))));
    const nodes = new Set(members ?? (isGenes() ? [] : shown.nodes.keys()));
    shown.links.forEach((link, at) => {
      if (links[at][0] || links[at][1]) link.ends.forEach((end) => nodes.add(end));
    });
    return { links, nodes };
  }

  function draw() {
    const { links, nodes } = wanted();
    graphs.forEach((graph, at) => {
      const side = SIDES[at];
      const degree = shown.nodes.map(() => 0);
      shown.links.forEach((link, number) => {
        if (links[number][at]) link.ends.forEach((end) => { degree[end] += 1; });
      });
      const hubs = new Set([...degree.keys()].sort((a, b) => degree[b] - degree[a]).slice(0, NAMED));
      graph.batch(() => {
        graph.nodes().forEach((drawn, number) => {
          const node = shown.nodes[number];
          const named = !isGenes() || node.hit || hubs.has(number);
          const label = isGenes() ? node.name : `${node.label} ${node.name.split("/")[0]}`;
          drawn.style("display", nodes.has(number) ? "element" : "none");
          drawn.data({ size: sizeOf(node, side, degree[number]), label, far: named ? 6 : 11 });
        });
        graph.edges().forEach((drawn, number) => {
          drawn.style("display", links[number][at] ? "element" : "none");
        });
      });
      const n = links.filter((link) => link[at]).length;
      const { unit, of } = shown.groups;
      const what = isGenes() ? "edges" : "couplings";
      const units = of[at][1] === 1 ? unit : `${unit}s`;
      captions[at].textContent = `${of[at][0]}: ${of[at][1]} ${units}, ${n} ${what} shown`;
      canvases[at].setAttribute("aria-label",
        `Network of ${captions[at].textContent}. The tables below have the same values.`);
    });
    controls.strength.nextElementSibling.textContent = share(Number(controls.strength.value));
    if (tables.open) fillTables();
  }

  function whole() {
    graphs[0].resize().fit(graphs[0].elements(":visible"), 30);
    graphs[1].resize().viewport({ zoom: graphs[0].zoom(), pan: graphs[0].pan() });
  }

  function zoom(factor) {
    const graph = graphs[0];
    const middle = { x: graph.width() / 2, y: graph.height() / 2 };
    graph.zoom({ level: graph.zoom() * factor, renderedPosition: middle });
  }

  // What both panels show in the same place.
  function together(graph, other) {
    graph.on("viewport", () => {
      if (moving) return;
      moving = true;
      other.viewport({ zoom: graph.zoom(), pan: graph.pan() });
      moving = false;
    });
    graph.on("drag", "node", (event) => {
      other.getElementById(event.target.id()).position(event.target.position());
    });
    graph.on("tap", "node", (event) => choose(Number(event.target.id().slice(1))));
    graph.on("tap", (event) => { if (event.target === graph) choose(null); });
    graph.on("mouseover", "node, edge", (event) => {
      const place = Number(event.target.id().slice(1));
      tip.textContent = event.target.isNode() ? ofNode(place) : ofLink(place);
      tip.hidden = false;
    });
    graph.on("mousemove", (event) => {
      const { clientX, clientY } = event.originalEvent;
      tip.style.left = `${Math.min(clientX + 14, window.innerWidth - tip.offsetWidth - 8)}px`;
      tip.style.top = `${Math.min(clientY + 14, window.innerHeight - tip.offsetHeight - 8)}px`;
    });
    graph.on("mouseout", "node, edge", () => { tip.hidden = true; });
  }

  function tested(one) {
    const q = known(one.q) ? `q ${number(one.q)}` : "not tested";
    const why = one.explained && one.explained !== "none" ? `, explained by ${one.explained}` : "";
    return q + why;
  }

  function ofNode(place) {
    const node = shown.nodes[place];
    if (isGenes()) {
      const tests = known(node.change)
        ? `centrality: correlation with the phenotype ${number(node.change)}, ${tested(node)}`
        : "centrality: not tested";
      return `${node.name}\n${tests}`;
    }
    const set = node.set ? `\n${node.set}` : "";
    const [left, right] = shown.groups.of;
    return `${title(node)}${set}\nvariance ${number(node.control)} (${left[0]}), `
      + `${number(node.case)} (${right[0]}); ${tested(node)}`;
  }

  function ofLink(place) {
    const link = shown.links[place];
    const [left, right] = shown.groups.of;
    const what = isGenes() ? "share of the group with the edge" : "coupling";
    const values = `${share(link.control)} (${left[0]}), ${share(link.case)} (${right[0]})`;
    return `${link.ends.map((end) => title(shown.nodes[end])).join(" – ")}\n${what} ${values}; `
      + `${tested(link)}${link.negative ? "; negative" : ""}`;
  }

  function openGene(name) {
    return element("button", { type: "button", class: "gene", onclick: () => popnet.open?.("gene", name) }, name);
  }

  // What is known of a programme or a gene, and its neighbours brought forward.
  function choose(place) {
    graphs.forEach((graph) => {
      graph.elements().removeClass("far chosen");
      if (place === null) return;
      const node = graph.getElementById(`n${place}`);
      graph.elements().not(node.closedNeighborhood()).addClass("far");
      node.addClass("chosen");
    });
    chosen.replaceChildren();
    if (place === null) return;
    const node = shown.nodes[place];
    const lines = ofNode(place).split("\n");
    chosen.append(element("h3", {}, lines[0]), ...lines.slice(1).map((line) => element("p", {}, line)));
    if (isGenes()) {
      const groups = [...shown.modules.map((one) => [one, "module"]), ...shown.sets.map((one) => [one, "set"])]
        .filter(([one]) => one.nodes.includes(place)).map(([one, kind]) => `${kind} ${one.name}`);
      if (groups.length) chosen.append(element("p", {}, `In ${groups.slice(0, 8).join("; ")}`));
      const { links } = wanted();
      const others = shown.links
        .filter((link, at) => link.ends.includes(place) && (links[at][0] || links[at][1]))
        .map((link) => shown.nodes[link.ends[0] === place ? link.ends[1] : link.ends[0]].name);
      const list = others.slice(0, 30).flatMap((name) => [openGene(name), " "]);
      chosen.append(element("p", {}, openGene(node.name), ` has ${others.length} neighbours here: `, ...list));
    } else {
      const list = node.genes.flatMap(([gene, loading]) => [openGene(gene), ` ${number(loading)} `]);
      chosen.append(element("p", {}, "Genes and their loadings: ", ...list));
    }
  }

  function fillTables() {
    const { links, nodes } = wanted();
    const [left, right] = shown.groups.of.map(([name]) => name);
    const places = [...nodes].sort((a, b) => a - b);
    const what = isGenes() ? "Genes" : "Programmes";
    const nodeRows = places.map((place) => {
      const node = shown.nodes[place];
      const name = element("button", { type: "button", class: "gene", onclick: () => choose(place) }, title(node));
      const genes = isGenes() ? [] : [node.genes.slice(0, 8).map(([gene]) => gene).join(", ")];
      const values = isGenes() ? [] : [node.control, node.case];
      return [name, ...genes, ...values, node.change, node.q];
    });
    const linkRows = shown.links
      .filter((link, at) => links[at][0] || links[at][1])
      .map((link) => [...link.ends.map((end) => title(shown.nodes[end])), link.control, link.case, link.change, link.q]);
    const heads = isGenes()
      ? [["gene", "centrality: correlation", "q"], ["gene 1", "gene 2", `share: ${left}`, `share: ${right}`, "change", "q"]]
      : [["programme", "genes", `variance: ${left}`, `variance: ${right}`, "change (log2)", "q"],
        ["programme 1", "programme 2", `coupling: ${left}`, `coupling: ${right}`, "change", "q"]];
    tables.lastElementChild.replaceChildren(
      ...table(what, heads[0], nodeRows), ...table(isGenes() ? "Edges" : "Couplings", heads[1], linkRows));
  }

  function table(name, heads, rows) {
    const body = rows.map((row) => element("tr", {}, ...row.map((cell) =>
      element("td", { class: typeof cell === "number" && "number" }, cell instanceof Element ? cell : number(cell)))));
    const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col" }, text)));
    const made = element("table", {}, element("caption", {}, name), element("thead", {}, head), element("tbody", {}, ...body));
    return [element("div", { class: "rows", tabindex: "0", role: "region", "aria-label": name }, made)];
  }

  function options(select, groups) {
    select.replaceChildren(element("option", { value: "" }, "all"),
      ...groups.map((one, at) => element("option", { value: at }, `${one.name} (${one.nodes.length})`)));
    select.disabled = !groups.length;
  }

  // The view and the level that the controls name, drawn anew.
  function change() {
    const view = views[Number(controls.view.value)];
    for (const option of controls.level.options) option.disabled = !view[option.value];
    if (!view[controls.level.value]) controls.level.value = view.programmes ? "programmes" : "genes";
    shown = view[controls.level.value];
    for (const name of ["module", "set"]) {
      controls[name].parentElement.hidden = !isGenes();
      options(controls[name], isGenes() ? shown[`${name}s`] : []);
    }
    root.querySelector(".of-strength").textContent = isGenes()
      ? "Least share of a group" : "Least coupling";
    const strengths = shown.links.map((link) => Math.max(...SIDES.map((side) => strength(link, side))));
    const first = [...strengths].sort((a, b) => b - a)[Math.min(isGenes() ? AT_FIRST : 30, strengths.length - 1)] ?? 0;
    controls.strength.min = isGenes() ? 0.2 : 0;
    controls.strength.value = Math.ceil(first * 20 - 1e-9) / 20;
    controls.changed.checked = false;
    controls.changed.disabled = !shown.links.some((link) => link.hit);
    const most = (list) => Math.max(0, ...list.map((one) => Math.abs(one.change ?? 0)));
    largest = { node: most(shown.nodes), link: most(shown.links) };
    largest.size = Math.max(1e-9, ...shown.nodes.flatMap((node) => SIDES.map((side) => node[side] ?? 0)));
    root.querySelector(".what").textContent = isGenes()
      ? `Colour of a gene: correlation of its centrality with the phenotype. Dashed: negative. `
        + (shown.n_links > shown.links.length ? `The ${shown.links.length} strongest of ${shown.n_links} edges. ` : "")
        + `Network: ${shown.network}.`
      : "Size: variance of a programme in the group. Dashed: negative coupling.";
    graphs.forEach((graph) => graph.destroy());
    graphs = SIDES.map((side, at) => cytoscape({
      container: canvases[at],
      elements: [
        ...shown.nodes.map((node, place) => ({
          group: "nodes",
          data: {
            id: `n${place}`, colour: colour(node.change, largest.node), hit: node.hit ? 1 : 0,
            size: 30, label: "", far: 6,
          },
          position: { x: shown.at[place][0], y: shown.at[place][1] },
        })),
        ...shown.links.map((link, place) => ({
          group: "edges",
          data: {
            id: `e${place}`, source: `n${link.ends[0]}`, target: `n${link.ends[1]}`,
            colour: colour(link.change, largest.link), width: 1 + 7 * strength(link, side),
            above: link.hit ? 10 : 1, opacity: link.hit ? 1 : 0.5,
            line: (isGenes() ? link.negative : link[side] < 0) ? "dashed" : "solid",
          },
        })),
      ],
      style: [
        { selector: "node", style: {
          "background-color": "data(colour)", "border-color": "#1d2329",
          "border-width": "mapData(hit, 0, 1, 0, 5)", width: "data(size)", height: "data(size)",
          label: "data(label)", "font-size": isGenes() ? 22 : 30, "min-zoomed-font-size": "data(far)", color: "#1d2329",
          "text-outline-color": "#fff", "text-outline-width": 3,
          "text-valign": isGenes() ? "top" : "bottom",
        } },
        { selector: "edge", style: {
          "line-color": "data(colour)", width: "data(width)", "line-style": "data(line)",
          "curve-style": "haystack", "z-index": "data(above)", opacity: "data(opacity)",
        } },
        { selector: ".far", style: { opacity: 0.15 } },
        { selector: ".chosen", style: { "border-color": "#d98200", "border-width": 8 } },
      ],
      layout: { name: "preset" },
      userZoomingEnabled: false,
      boxSelectionEnabled: false,
      autounselectify: true,
    }));
    graphs.forEach((graph, at) => together(graph, graphs[1 - at]));
    choose(null);
    draw();
    whole();
  }

  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("input", ({ target }) => {
    if (target.name === "view" || target.name === "level") change();
    else {
      choose(null);
      draw();
      if (target.name !== "strength") whole();
    }
  });
  controls.closer.addEventListener("click", () => zoom(1.4));
  controls.farther.addEventListener("click", () => zoom(1 / 1.4));
  controls.whole.addEventListener("click", whole);
  tables.addEventListener("toggle", () => { if (tables.open) fillTables(); });
  new ResizeObserver(() => { if (graphs.length) whole(); }).observe(canvases[0]);
  change();
});
