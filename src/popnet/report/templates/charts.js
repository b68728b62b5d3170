// Small figures of a gene, or of the mean of several, drawn from numbers.
"use strict";
popnet.charts = (() => {
  const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT] = [250, 190, 44, 34, 8, 8];
  const e = popnet.element;
  const finite = (values) => values.filter((value) => Number.isFinite(value));

  function scale(values, from, to) {
    let [low, high] = [Math.min(...values), Math.max(...values)];
    if (!(high > low)) [low, high] = [low - 0.5, high + 0.5];
    const place = (value) => from + ((value - low) / (high - low)) * (to - from);
    return { place, low, high };
  }

  function frame(label, words, across, up) {
    const ticks = [];
    for (const [value, y] of [[up.low, up.place(up.low)], [up.high, up.place(up.high)]]) {
      ticks.push(e("text", { x: LEFT - 5, y: y + 4, "text-anchor": "end" }, popnet.number(+value.toPrecision(2))));
    }
    return e("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", role: "img", "aria-label": label },
      e("line", { x1: LEFT, y1: TOP, x2: LEFT, y2: HEIGHT - BOTTOM }),
      e("line", { x1: LEFT, y1: HEIGHT - BOTTOM, x2: WIDTH - RIGHT, y2: HEIGHT - BOTTOM }),
      ticks, across,
      e("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, "text-anchor": "middle" }, words));
  }

  const shortened = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

  // A point for each sample: against a number, or side by side in two groups.
  function points(values, phenotype, about, samples, what) {
    const rows = values.map((value, at) => [value, phenotype[at] === null ? NaN : phenotype[at], at])
      .filter(([value, x]) => Number.isFinite(value) && Number.isFinite(x));
    const label = `${what} of ${rows.length} samples against ${about.name}`;
    if (!rows.length) return e("p", { class: "soft" }, `${what}: not known`);
    const binary = about.type === "binary";
    const up = scale(rows.map((row) => row[0]), HEIGHT - BOTTOM - 6, TOP + 6);
    const across = binary
      ? { place: (x) => (x ? 0.7 : 0.3) * (WIDTH - LEFT - RIGHT) + LEFT, low: 0, high: 1 }
      : scale(rows.map((row) => row[1]), LEFT + 6, WIDTH - RIGHT - 6);
    const ends = binary
      ? [[0, about.control || "controls"], [1, about.case || "cases"]]
      : [[across.low, popnet.number(across.low)], [across.high, popnet.number(across.high)]];
    const marks = ends.map(([x, text], at) => e("text", {
      x: across.place(x), y: HEIGHT - BOTTOM + 13, "text-anchor": binary ? "middle" : at ? "end" : "start",
    }, shortened(text, 16)));
    const figure = frame(label, shortened(about.name, 32), marks, up);
    for (const [value, x, at] of rows) {
      // A fixed spread tells the points of a group apart.
      const aside = binary ? (((at * 37) % 21) - 10) * 2 : 0;
      figure.append(e("circle", {
        cx: across.place(x) + aside, cy: up.place(value), r: 3.2, class: binary ? (x ? "case" : "control") : "sample",
      }, e("title", {}, `${samples[at]}: ${popnet.number(value)}`)));
    }
    if (binary) {
      for (const group of [0, 1]) {
        const own = rows.filter((row) => row[1] === group).map((row) => row[0]).sort((a, b) => a - b);
        if (!own.length) continue;
        const [low, high] = [own[Math.floor((own.length - 1) / 2)], own[Math.floor(own.length / 2)]];
        const y = up.place((low + high) / 2);
        figure.append(e("line", { x1: across.place(group) - 26, x2: across.place(group) + 26, y1: y, y2: y, class: "middle" }));
      }
    }
    return e("figure", { class: "small" }, figure, e("figcaption", {}, what));
  }

  // Quantiles of groups: whiskers 5 and 95 %, box 25 to 75 %, line at the median.
  function boxes(values, groups, counts, about, what) {
    const known = finite([...values]);
    if (!known.length) return e("p", { class: "soft" }, `${what}: not known`);
    const up = scale(known, HEIGHT - BOTTOM - 6, TOP + 6);
    const step = (WIDTH - LEFT - RIGHT) / groups.length;
    const middle = (at) => LEFT + step * (at + 0.5);
    const marks = groups.map((group, at) => e("text", { x: middle(at), y: HEIGHT - BOTTOM + 13, "text-anchor": "middle" }, `${shortened(group, 14)} (${counts[at]})`));
    const figure = frame(`${what} in groups of ${about.name}: ${groups.join(", ")}`, shortened(about.name, 32), marks, up);
    groups.forEach((group, at) => {
      const [low, first, half, third, high] = [...values.slice(5 * at, 5 * at + 5)].map(up.place);
      if (![low, high].every(Number.isFinite)) return;
      const kind = ["cases", "upper third", "upper half"].includes(group) ? "case" : "control";
      figure.append(
        e("line", { x1: middle(at), x2: middle(at), y1: low, y2: high, class: "middle" }),
        e("rect", { x: middle(at) - 18, width: 36, y: third, height: Math.max(first - third, 1), class: kind }),
        e("line", { x1: middle(at) - 18, x2: middle(at) + 18, y1: half, y2: half, class: "middle" }));
    });
    return e("figure", { class: "small" }, figure, e("figcaption", {}, what));
  }

  // The gene in the middle, its neighbours around it; wide lines are edges of many samples.
  function ego(name, neighbours, group) {
    const [size, radius] = [240, 92];
    const figure = e("svg", { viewBox: `-50 0 ${size + 100} ${size}`, class: "chart", role: "img",
      "aria-label": `Edges of ${name} in ${group}: ${neighbours.map((one) => `${one.name} ${Math.round(100 * one.share)} %`).join(", ")}` });
    const places = neighbours.map((one, at) => {
      const angle = (2 * Math.PI * at) / neighbours.length - Math.PI / 2;
      return [size / 2 + radius * Math.cos(angle), size / 2 + radius * Math.sin(angle)];
    });
    neighbours.forEach((one, at) => {
      const [x, y] = places[at];
      if (one.share > 0.005) {
        figure.append(e("line", { x1: size / 2, y1: size / 2, x2: x, y2: y, class: "edge", "stroke-width": 0.5 + 7 * one.share },
          e("title", {}, `${name} with ${one.name}: ${Math.round(100 * one.share)} % of the samples of ${group}`)));
      }
    });
    neighbours.forEach((one, at) => {
      const [x, y] = places[at];
      const side = x > size / 2 + 5 ? "start" : x < size / 2 - 5 ? "end" : "middle";
      const aside = side === "start" ? 8 : side === "end" ? -8 : 0;
      figure.append(e("circle", { cx: x, cy: y, r: 5, class: "node" }),
        e("text", { x: x + aside, y: y + (side === "middle" ? (y > size / 2 ? 18 : -10) : 4), "text-anchor": side }, shortened(one.name, 11)));
    });
    figure.append(e("circle", { cx: size / 2, cy: size / 2, r: 8, class: "node centre" }));
    return e("figure", { class: "small" }, figure, e("figcaption", {}, group));
  }

  return { points, boxes, ego };
})();
