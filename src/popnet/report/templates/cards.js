// The card of a gene, a set or a module.
"use strict";
{
  const MEASURES = { centrality: "Degree centrality", expression: "Mean log expression", detection: "Share of cells that express it" };
  const all = popnet.data("cards");
  const places = all.cell_types.map((type) => new Map(type.genes.map((gene, at) => [gene, at])));
  // Names that a set or module shares with a gene stay apart by what they are.
  const known = {
    gene: new Set(all.cell_types.flatMap((type) => type.genes)),
    set: new Set(all.cell_types.flatMap((type) => type.sets.map((one) => one.name))),
    module: new Set(all.cell_types.flatMap((type) => type.modules.map((one) => one.name))),
  };
  const kinds = { gene: "gene", set: "gene set", module: "module" };
  popnet.knows = (kind, name) => Boolean(known[kind] && known[kind].has(name));
  const e = popnet.element;
  const phenotype = (folder) => all.phenotypes.find((one) => one.folder === folder);
  const fromLog = (value) => (Number.isFinite(value) ? 10 ** -value : null);
  const orNull = (value) => (Number.isFinite(value) ? +value.toPrecision(3) : null);

  function tableOf(title, rows, names, numeric, opens = {}, help = {}) {
    return popnet.table({
      title, file: "", rows: 10,
      columns: names.map((name) => ({
        name, help: help[name] || "", numeric: numeric.includes(name), opens: opens[name] || "",
        values: rows.map((row) => row[name] ?? (numeric.includes(name) ? null : "")),
      })),
    });
  }

  const HELP = {
    effect: "Cases minus controls, or the change with a rising phenotype, in the units of what is tested; where a test has none, its statistic",
    q: "Share of false ones among hits of at most this q, within the table of the test (Benjamini-Hochberg)",
    "explained by": "What explains a hit; none: nothing that was asked for",
  };

  function testsOfGene(type, gene) {
    const rows = type.tests.map((test) => {
      const value = (key) => (test.numbers[key] ? popnet.value(test.numbers[key], gene) : NaN);
      const effect = Number.isFinite(value("estimate")) ? value("estimate") : value("statistic");
      return {
        phenotype: phenotype(test.phenotype).name, test: test.what.replaceAll("_", " "), network: test.network,
        effect: orNull(effect), p: orNull(fromLog(value("p")) ?? NaN), q: orNull(fromLog(value("q")) ?? NaN),
        "explained by": test.explained_by[gene] || "",
      };
    }).filter((row) => row.p !== null);
    const name = type.genes[gene];
    for (const row of Object.hasOwn(all.variants, name) ? all.variants[name] : []) {
      rows.push({ phenotype: row.phenotype, test: row.what, network: "", effect: row.estimate, p: row.p, q: row.q, "explained by": row.explained_by });
    }
    return rows;
  }

  const TESTS = ["phenotype", "test", "network", "effect", "p", "q", "explained by"];

  // Of several genes, the mean of those that are known in a sample.
  function meanOf(packed, genes) {
    const rows = genes.map((gene) => [...popnet.unpack(packed, gene)]);
    return rows[0].map((_, at) => {
      const values = rows.map((row) => row[at]).filter(Number.isFinite);
      return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : NaN;
    });
  }

  function figuresOf(type, genes) {
    const shown = [];
    const mean = genes.length > 1 ? ", mean of its genes" : "";
    for (const one of genes.length ? all.phenotypes : []) {
      const row = [];
      for (const [key, words] of Object.entries(MEASURES)) {
        const own = type.summaries && Object.hasOwn(type.summaries, one.folder) ? type.summaries[one.folder] : null;
        if (type.values && type.values[key]) {
          row.push(popnet.charts.points(meanOf(type.values[key], genes), type.phenotypes[one.folder], one, type.samples, words + mean));
        } else if (genes.length === 1 && own && own.values[key]) {
          // Quantiles of genes are not those of their mean.
          row.push(popnet.charts.boxes([...popnet.unpack(own.values[key], genes[0])], own.groups, own.n, one, words));
        }
      }
      if (row.length) shown.push(e("h4", {}, `Against ${one.name}`), e("div", { class: "row" }, row));
    }
    return shown;
  }

  function neighboursOfGene(type, gene) {
    const shown = [];
    const names = type.neighbours[gene];
    if (names.length) {
      shown.push(e("p", {}, "Nearest genes, those of most samples first: ",
        names.flatMap((one, at) => [at ? ", " : "", popnet.link("gene", type.genes[one])])));
    }
    for (const one of all.phenotypes) {
      const ego = Object.hasOwn(type.ego, one.folder) && type.ego[one.folder];
      if (!ego) continue;
      const rows = ego.gene.flatMap((own, at) => (own === gene ? [at] : []));
      if (!rows.length) continue;
      const figures = ego.groups.map((group, number) => {
        const words = group === "cases" && one.case ? one.case : group === "controls" && one.control ? one.control : group;
        return popnet.charts.ego(type.genes[gene], rows.map((at) => ({ name: type.genes[ego.other[at]], share: popnet.value(ego.shares, at, number) })), words);
      });
      shown.push(e("h4", {}, `Network around it, by ${one.name}`),
        e("p", { class: "soft" }, "The wider a line, the more samples of the group have the edge (the gene's 12 most frequent edges)."),
        e("div", { class: "row" }, figures));
    }
    return shown;
  }

  function pairsOfGene(type, gene) {
    const rows = [];
    for (const pairs of type.pairs) {
      pairs.gene1.forEach((one, at) => {
        const other = one === gene ? pairs.gene2[at] : pairs.gene2[at] === gene ? one : -1;
        if (other < 0) return;
        rows.push({
          phenotype: phenotype(pairs.phenotype).name, "with gene": type.genes[other], change: pairs.change[at], p: pairs.p[at], q: pairs.q[at],
          "correlation agrees": pairs.agrees[at] === null ? "" : pairs.agrees[at] ? "yes" : "no",
        });
      });
    }
    rows.sort((one, other) => one.p - other.p);
    return rows;
  }

  function groupsOfGene(type, gene) {
    const sets = type.sets.filter((one) => one.genes.includes(gene));
    const modules = type.modules.filter((one) => one.genes.includes(gene));
    const links = (kind, found) => found.flatMap((one, at) => [at ? ", " : "", popnet.link(kind, one.name)]);
    return [
      sets.length ? e("p", {}, "Gene sets: ", links("set", sets)) : null,
      modules.length ? e("p", {}, "Module: ", links("module", modules)) : null,
    ];
  }

  function cardOfGene(type, name) {
    const gene = places[all.cell_types.indexOf(type)].get(name);
    const icc = type.icc ? popnet.value(type.icc, gene) : NaN;
    const trusted = icc >= all.min_icc ? "reliable" : "differences between samples are not reliable";
    const tests = testsOfGene(type, gene);
    const pairs = pairsOfGene(type, gene);
    return [
      e("p", {}, `Network: ${type.network_name}. ICC of its centrality over bins: `,
        Number.isFinite(icc) ? `${icc.toFixed(2)} (${trusted})` : "not known", "."),
      groupsOfGene(type, gene),
      tests.length ? tableOf(`Every test of ${name}`, tests, TESTS, ["effect", "p", "q"], {}, HELP) : e("p", {}, "It was not tested."),
      figuresOf(type, [gene]),
      neighboursOfGene(type, gene),
      pairs.length ? tableOf(`Tested edges of ${name}`, pairs, ["phenotype", "with gene", "change", "p", "q", "correlation agrees"], ["change", "p", "q"], { "with gene": "gene" }) : null,
      e("p", {}, e("a", { href: encodeURI(type.file) }, "Values of all samples"), " (centrality, genes by samples)"),
    ];
  }

  function members(type, genes) {
    const rows = genes.map((gene) => {
      const row = { gene: type.genes[gene], ICC: type.icc ? orNull(popnet.value(type.icc, gene)) : null };
      for (const test of type.tests) {
        if (test.what !== "degree centrality" || (test.network && test.network !== type.network)) continue;
        row[`q ${phenotype(test.phenotype).name}`] = test.numbers.q ? orNull(fromLog(popnet.value(test.numbers.q, gene)) ?? NaN) : null;
      }
      return row;
    });
    const names = [...new Set(rows.flatMap(Object.keys))];
    return tableOf("Its genes, and q of their centrality", rows, names, names.slice(1), { gene: "gene" });
  }

  function cardOfGroup(type, name, kind) {
    const group = type[`${kind}s`].find((one) => one.name === name);
    const rows = type[`${kind}_tests`].filter((one) => one.name === name)
      .map((one) => ({ phenotype: one.phenotype, test: one.what, network: one.network, effect: one.estimate, p: one.p, q: one.q, "explained by": one.explained_by }))
      .filter((row) => row.p !== null);
    const module = kind === "module"
      ? e("p", {}, `Module ${group.number}, ${group.genes.length} genes, stability ${popnet.number(group.stability)}${group.stable ? "" : ": not stable, and not tested"}.`,
        group.gene_set ? " Enriched for " : "", group.gene_set ? popnet.link("set", group.gene_set) : "")
      : e("p", {}, `${group.genes.length} of its genes are in the study.`);
    return [module,
      rows.length ? tableOf(`Every test of ${name}`, rows, TESTS, ["effect", "p", "q"], {}, HELP) : e("p", {}, "It was not tested by itself."),
      figuresOf(type, group.genes),
      members(type, group.genes)];
  }

  popnet.section("cards", (root) => {
    const at = (place) => root.querySelector(`[data-place=${place}]`);
    const [input, select, card, status] = ["name", "cell_type", "card", "status"].map(at);
    select.append(...all.cell_types.map((type, number) => e("option", { value: number }, type.name)));
    select.parentElement.hidden = all.cell_types.length < 2;
    root.querySelector("datalist").append(
      ...Object.entries(known).flatMap(([kind, names]) => [...names].map((name) => e("option", { value: name, label: kind === "gene" ? null : kinds[kind] }))));

    function has(type, kind, name) {
      return kind === "gene" ? places[all.cell_types.indexOf(type)].has(name) : type[`${kind}s`].some((one) => one.name === name);
    }

    function draw(kind, name) {
      let type = all.cell_types[select.value];
      if (!has(type, kind, name)) {
        type = all.cell_types.find((one) => has(one, kind, name));
        select.value = all.cell_types.indexOf(type);
      }
      input.value = name;
      status.textContent = "";
      card.replaceChildren(
        e("h3", {}, name, " ", e("span", { class: "soft" }, `${kinds[kind]} in ${type.name}`)),
        ...(kind === "gene" ? cardOfGene(type, name) : cardOfGroup(type, name, kind)).flat().filter(Boolean));
      card.focus({ preventScroll: true });
    }

    function search(name) {
      const wanted = name.trim().toLowerCase();
      for (const exact of [true, false]) {
        for (const [kind, names] of Object.entries(known)) {
          for (const one of names) {
            if (exact ? one === name.trim() : one.toLowerCase() === wanted) return draw(kind, one);
          }
        }
      }
      const near = Object.entries(known).flatMap(([kind, names]) => [...names].filter((one) => wanted && one.toLowerCase().includes(wanted)).map((one) => [kind, one])).slice(0, 12);
      status.replaceChildren(`Nothing is called ${name}.`, ...(near.length ? [" Perhaps: ", ...near.flatMap(([kind, one], number) => [number ? ", " : "", popnet.link(kind, one)])] : []));
      card.replaceChildren();
    }

    root.querySelector("form").addEventListener("submit", (event) => { event.preventDefault(); search(input.value); });
    select.addEventListener("change", () => input.value && search(input.value));
    popnet.open = (kind, name) => { draw(kind, name); root.scrollIntoView(); };
  });

  // A link may be followed before the reader comes near the cards.
  popnet.open = (kind, name) => { popnet.show(document.getElementById("cards")); popnet.open(kind, name); };
}
