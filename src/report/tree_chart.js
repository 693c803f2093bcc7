// tree_chart.js - the tree as SVG: layout, drawing, zoom, keyboard.
//
// Depth goes to the right. A node stands level with its most important child, so that a dialogue is a straight line where it can be.
// Children that were not generated are a string of beads below the others. Subtrees are as close as their outlines allow, column by column.
"use strict";

const PILL = { width: 124, height: 26 }, COLUMN = 166, ROW = 36, BEAD = 13, BEAD_ROW = 20;
const chart = document.getElementById("chart");
const lazyBox = document.getElementById("lazy");
let world, chosen = null, bounds, columns = [];
const view = { scale: 1, x: 0, y: 0, least: 0, fitted: false }; // fitted: as fit(least) left it, so a new size fits it again

function draw(tag, attributes, ...children) {
    const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(attributes))
        element.setAttribute(name, value);
    element.append(...children);
    return element;
}

// Layout. Returns a subtree's outline: for each column from the node's on, the top and bottom relative to the node.
function place(node) {
    const made = node.children.filter(child => child.generated), lazy = node.children.filter(child => !child.generated);
    const all = { top: [], bottom: [] }, marks = [];
    const stack = (outline, keep) => {
        let shift = -Infinity;
        for (let i = 0; i < Math.min(all.bottom.length, outline.top.length); i++)
            shift = Math.max(shift, all.bottom[i] - outline.top[i]);
        if (shift === -Infinity)
            shift = 0;
        keep(shift);
        for (let i = 0; i < outline.top.length; i++) {
            if (i >= all.top.length)
                all.top[i] = outline.top[i] + shift;
            all.bottom[i] = outline.bottom[i] + shift;
        }
    };
    for (const child of made)
        stack(place(child), shift => { child.dy = shift; });
    if (lazy.length && lazyBox.checked) {
        const wide = Math.ceil((lazy.length * BEAD) / COLUMN), top = Array(wide).fill(-BEAD_ROW / 2), bottom = Array(wide).fill(BEAD_ROW / 2);
        stack({ top, bottom }, shift => lazy.forEach((child, i) => { child.dy = shift; child.bead = i; }));
    }
    const order = child => (child.mark === "preferred" ? 1e12 : 0) + child.n;
    const main = made.reduce((best, child) => !best || order(child) > order(best) ? child : best, null);
    const level = main ? main.dy : all.top.length ? (all.top[0] + all.bottom[0]) / 2 : 0;
    for (const child of node.children)
        child.dy -= level;
    return { top: [-ROW / 2, ...all.top.map(y => y - level)], bottom: [ROW / 2, ...all.bottom.map(y => y - level)] };
}

function layOut() {
    const outline = place(nodes[0]);
    columns = [];
    bounds = { left: 0, right: PILL.width, top: Math.min(...outline.top), bottom: Math.max(...outline.bottom) };
    const visit = [nodes[0]];
    while (visit.length) {
        const node = visit.pop();
        node.y = node.parent ? node.parent.y + node.dy : 0;
        node.x = node.depth * COLUMN + (node.generated ? 0 : (node.bead || 0) * BEAD + 6);
        bounds.right = Math.max(bounds.right, node.x + (node.generated ? PILL.width : 8));
        (columns[node.depth] = columns[node.depth] || []).push(node);
        const shown = node.children.filter(child => child.generated || lazyBox.checked);
        shown.sort((a, b) => b.generated - a.generated || a.index - b.index);
        visit.push(...shown.reverse());
    }
}

// Drawing.
function strength(node) {
    return Math.min(9, 1 + 1.1 * Math.log2(1 + node.n));
}

function edge(node) {
    const x0 = node.parent.x + PILL.width, y0 = node.parent.y, x1 = node.x, y1 = node.y, middle = (x0 + node.depth * COLUMN) / 2;
    const line = "M" + x0 + " " + y0 + "C" + middle + " " + y0 + " " + middle + " " + y1 + " " + (node.depth * COLUMN) + " " + y1;
    const element = draw("path", { class: "edge " + (node.generated ? node.mark : "lazy"), d: node.generated ? line : line + "H" + x1 });
    if (node.generated)
        element.style.strokeWidth = strength(node) + "px";
    return element;
}

function label(node) {
    const words = [strategyName(node), node.generated ? "Q " + figure(node.q) + ", visits " + node.n : "not generated, prior " + figure(node.prior)];
    if (node.mark !== "none")
        words.push(node.mark === "preferred" ? "on a preferred path" : "negative");
    if (node.ended)
        words.push("ended");
    return words.join(", ");
}

function pill(node) {
    const name = draw("text", { class: "name", x: 10, y: 4 }), q = draw("text", { class: "q", x: 82, y: 4 }), n = draw("text", { class: "n", x: 115, y: 4 });
    name.textContent = node.style ? visible(node.style.short) : "Start";
    q.textContent = figure(node.q);
    n.textContent = node.n > 99999 ? Math.round(node.n / 1000) + "k" : String(node.n);
    const box = { x: 0, y: -PILL.height / 2, width: PILL.width, height: PILL.height };
    const parts = [draw("rect", { class: "ring", x: -5, y: box.y - 5, width: box.width + 10, height: box.height + 10, rx: 12 }),
        draw("rect", { class: "shape", ...box, rx: 8 }), name, q, n];
    if (node.ended)
        parts.push(draw("path", { class: "end", d: "M" + (PILL.width + 7) + " -13v26" }));
    if (node.mark === "negative")
        parts.push(badge(2, -12));
    return parts;
}

function badge(x, y) {
    return draw("g", { class: "badge", transform: "translate(" + x + " " + y + ")" }, draw("circle", { r: 7 }), draw("path", { d: "M-2.6 -2.6L2.6 2.6M-2.6 2.6L2.6 -2.6" }));
}

function bead() {
    return [draw("circle", { class: "ring", r: 8 }), draw("circle", { class: "hit", r: 6.5 }), draw("circle", { class: "shape", r: 4 })];
}

function drawNode(node, position, size) {
    const element = draw("g", { class: "node " + (node.generated ? node.mark : "bead"), transform: "translate(" + node.x + " " + node.y + ")", role: "treeitem",
        "aria-level": node.depth + 1, "aria-posinset": position, "aria-setsize": size, "aria-selected": node === chosen, tabindex: -1 },
        ...(node.generated ? pill(node) : bead()));
    const title = draw("title", {});
    title.textContent = label(node);
    element.setAttribute("aria-label", label(node));
    element.prepend(title);
    paint(element, node.style);
    element.node = node;
    node.element = element;
    return element;
}

function drawAll() {
    layOut();
    const edges = draw("g", { "aria-hidden": "true" }), pills = draw("g", { role: "presentation" });
    const order = node => node.mark === "preferred" ? 2 : node.generated ? 1 : 0;
    const shown = columns.flat();
    for (const node of [...shown].sort((a, b) => order(a) - order(b)))
        if (node.parent)
            edges.append(edge(node));
    for (const node of shown) {
        const family = node.parent ? node.parent.children : [node];
        pills.append(drawNode(node, family.indexOf(node) + 1, family.length));
    }
    world = draw("g", {}, edges, pills);
    chart.replaceChildren(world);
    choose(chosen && (chosen.generated || lazyBox.checked) ? chosen : nodes[0]);
}

// Zoom. A point p of the tree is shown at p * scale + (x, y).
function show() {
    world.setAttribute("transform", "translate(" + view.x + " " + view.y + ") scale(" + view.scale + ")");
}

function fitScale() {
    const box = chart.getBoundingClientRect();
    return Math.min(box.width / (bounds.right - bounds.left + 60), box.height / (bounds.bottom - bounds.top + 40));
}

function zoom(factor, x, y) {
    const box = chart.getBoundingClientRect(), least = Math.min(fitScale(), 1) * 0.6;
    const scale = Math.max(least, Math.min(3, view.scale * factor)), real = scale / view.scale;
    x = x === undefined ? box.width / 2 : x - box.left;
    y = y === undefined ? box.height / 2 : y - box.top;
    view.x = x - (x - view.x) * real;
    view.y = y - (y - view.y) * real;
    view.scale = scale;
    view.fitted = false;
    show();
}

// The whole tree in the middle; at the beginning no smaller than can be read, with the root at the left.
function fit(least) {
    const box = chart.getBoundingClientRect(), whole = Math.min(fitScale(), 1.25);
    view.scale = Math.max(whole, least);
    view.x = whole >= least ? (box.width - (bounds.right + bounds.left) * view.scale) / 2 : 24;
    view.y = whole >= least ? (box.height - (bounds.bottom + bounds.top) * view.scale) / 2 : box.height / 2;
    view.least = least;
    view.fitted = true;
    show();
}

// Moves the tree so that a node is in the part of the chart that the panel does not cover.
function reveal(node) {
    const box = chart.getBoundingClientRect(), over = panel.hidden ? null : panel.getBoundingClientRect();
    const bottom = over && over.top > box.top + 60 && over.left < box.left + 10 ? over.top - box.top : box.height;
    const x = node.x * view.scale + view.x, y = node.y * view.scale + view.y, wide = PILL.width * view.scale;
    const moveX = Math.max(0, 16 - x) + Math.min(0, box.width - 24 - (x + wide)), moveY = Math.max(0, 28 - y) + Math.min(0, bottom - 28 - y);
    view.x += moveX;
    view.y += moveY;
    view.fitted = view.fitted && !moveX && !moveY;
    show();
}

// Choosing.
function choose(node) {
    if (!node.generated && !lazyBox.checked) {
        lazyBox.checked = true;
        chosen = node;
        return drawAll();
    }
    if (chosen && chosen.element) {
        chosen.element.classList.remove("chosen");
        chosen.element.setAttribute("aria-selected", "false");
        chosen.element.setAttribute("tabindex", "-1");
    }
    chosen = node;
    node.element.classList.add("chosen");
    node.element.setAttribute("aria-selected", "true");
    node.element.setAttribute("tabindex", "0");
}

function focusNode(node) {
    choose(node);
    node.element.focus({ preventScroll: true });
    reveal(node);
}

function beside(node, step) {
    const column = columns[node.depth];
    return column[column.indexOf(node) + step];
}

function firstChild(node) {
    const shown = (columns[node.depth + 1] || []).filter(child => child.parent === node);
    return shown.find(child => child.mark === "preferred") || shown[0];
}

const KEYS = {
    ArrowUp: node => beside(node, -1), ArrowDown: node => beside(node, 1), ArrowLeft: node => node.parent, ArrowRight: firstChild, Home: () => nodes[0],
};

chart.addEventListener("keydown", event => {
    if (event.ctrlKey || event.altKey || event.metaKey || !event.target.node)
        return;
    if (KEYS[event.key]) {
        const next = KEYS[event.key](event.target.node);
        if (next) {
            focusNode(next);
            if (opened)
                openPanel(next, false);
        }
    } else if (event.key === "Enter" || event.key === " ") {
        openPanel(event.target.node, true);
        reveal(event.target.node);
    } else {
        return;
    }
    event.preventDefault();
});

document.addEventListener("keydown", event => {
    const tree = !document.getElementById("view-tree").hidden;
    if (!tree || event.ctrlKey || event.altKey || event.metaKey)
        return;
    if (event.key === "+" || event.key === "=")
        zoom(1.25);
    else if (event.key === "-")
        zoom(0.8);
    else if (event.key === "0")
        fit(0);
});

// Pointers: one drags, two pinch. A press that moved is no click.
const pointers = new Map();
let moved = false;

chart.addEventListener("pointerdown", event => {
    if (!pointers.size)
        moved = false;
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY, startX: event.clientX, startY: event.clientY });
});

chart.addEventListener("pointermove", event => {
    const at = pointers.get(event.pointerId);
    if (!at)
        return;
    if (!moved && Math.hypot(event.clientX - at.startX, event.clientY - at.startY) > 5) {
        moved = true;
        chart.setPointerCapture(event.pointerId);
        chart.classList.add("dragging");
    }
    const other = [...pointers.entries()].find(([id]) => id !== event.pointerId);
    if (moved && other) {
        const { x, y } = other[1], before = Math.hypot(at.x - x, at.y - y), after = Math.hypot(event.clientX - x, event.clientY - y);
        if (before > 0 && after > 0)
            zoom(after / before, x, y);
    } else if (moved) {
        view.x += event.clientX - at.x;
        view.y += event.clientY - at.y;
        view.fitted = false;
        show();
    }
    at.x = event.clientX;
    at.y = event.clientY;
});

for (const name of ["pointerup", "pointercancel"])
    window.addEventListener(name, event => {
        pointers.delete(event.pointerId);
        if (!pointers.size)
            chart.classList.remove("dragging");
    });

chart.addEventListener("click", event => {
    const element = event.target.closest(".node");
    if (!element || moved)
        return;
    choose(element.node);
    openPanel(element.node, false);
    focusNode(element.node);
});

chart.addEventListener("wheel", event => {
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1);
    zoom(Math.exp(-Math.max(-200, Math.min(200, pixels)) * (event.ctrlKey ? 0.01 : 0.002)), event.clientX, event.clientY);
    event.preventDefault();
}, { passive: false });

document.getElementById("zoom-in").addEventListener("click", () => zoom(1.25));
document.getElementById("zoom-out").addEventListener("click", () => zoom(0.8));
document.getElementById("zoom-fit").addEventListener("click", () => fit(0));
lazyBox.addEventListener("change", () => { drawAll(); reveal(chosen); });

// Legend: strategies that occur, with how many nodes have them, then signs.
function sign(...parts) {
    return draw("svg", { viewBox: "0 0 38 18", "aria-hidden": "true" }, ...parts);
}

function fillLegend() {
    const list = document.querySelector("#legend ul");
    for (const [index, strategy] of data.strategies.entries()) {
        const times = nodes.filter(node => node.strategy === index && node.generated).length;
        list.append(make("li", {}, paint(make("span", { class: "chip short" }, visible(strategy.short)), strategy), make("bdi", {}, visible(strategy.name)),
            make("span", { class: "count", title: "generated nodes" }, String(times))));
    }
    const box = kind => draw("g", { class: "node " + kind }, draw("rect", { class: "shape", x: 4, y: 2, width: 30, height: 14, rx: 5 }));
    const signs = [
        ["on a path that became a record", sign(draw("path", { class: "edge preferred", d: "M0 9H38", "stroke-width": 5 }), box("preferred"))],
        ["a negative of such a node", sign(box("negative"), badge(5, 3))],
        ["the talk ended here", sign(box(""), draw("path", { class: "edge preferred", d: "M38 1v16", "stroke-width": 2.5 }))],
        ["not generated", sign(draw("g", { class: "node bead" }, draw("circle", { class: "shape", cx: 12, cy: 9, r: 4 }), draw("circle", { class: "shape", cx: 25, cy: 9, r: 4 })))],
        ["Q, then N, the visits; thicker with more visits", sign(draw("path", { class: "edge", d: "M0 9H19", "stroke-width": 2 }), draw("path", { class: "edge", d: "M19 9H38", "stroke-width": 7 }))],
    ];
    list.append(make("li", { class: "apart", "aria-hidden": "true" }));
    for (const [text, picture] of signs)
        list.append(make("li", {}, picture, text));
}

// On paper the whole tree fits the width.
window.addEventListener("beforeprint", () => {
    const box = [bounds.left - 10, bounds.top - 10, bounds.right - bounds.left + 30, bounds.bottom - bounds.top + 20];
    chart.setAttribute("viewBox", box.join(" "));
    document.getElementById("legend").open = true;
    world.removeAttribute("transform");
});
window.addEventListener("afterprint", () => {
    chart.removeAttribute("viewBox");
    show();
});

new ResizeObserver(() => {
    if (view.fitted && chart.clientWidth)
        fit(view.least);
}).observe(chart);

fillLegend();
document.getElementById("legend").open = window.innerWidth > 900;
drawAll();
fit(window.innerWidth > 900 ? 0.4 : 0.7);
