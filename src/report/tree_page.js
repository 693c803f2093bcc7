// tree_page.js - data, head, views, paths and the panel of a node. tree_chart.js draws the tree.
// Texts of the data reach the page as text nodes alone.
"use strict";

const data = JSON.parse(document.getElementById("data").textContent);
const nodes = data.nodes;
for (const [index, node] of nodes.entries()) {
    node.index = index;
    node.children = [];
    node.parent = node.parent === null ? null : nodes[node.parent];
    node.depth = node.parent ? node.parent.depth + 1 : 0;
    node.style = node.strategy === null ? null : data.strategies[node.strategy];
    if (node.parent)
        node.parent.children.push(node);
}
shortenNames();

// Two letters for each strategy, different ones as far as names allow: first letters of two words, or of one.
function shortenNames() {
    const used = new Set();
    for (const strategy of data.strategies) {
        const words = strategy.name.split(/[^\p{L}\p{N}]+/u).filter(word => word && !/^(and|of|the|or|to|a)$/i.test(word));
        const first = [...(words[0] || "?")];
        const seconds = [...(words.length > 1 ? words.slice(1).map(word => [...word][0]) : []), ...first.slice(1), ..."23456789"];
        const second = seconds.find(letter => !used.has((first[0] + letter).toUpperCase())) || "";
        const short = words.length > 1 ? (first[0] + second).toUpperCase() : first[0].toUpperCase() + second;
        used.add(short.toUpperCase());
        strategy.short = short;
    }
}

// Control characters, and those that turn the direction of what follows, as their numbers.
function visible(text) {
    return String(text).replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g,
        c => "\u27e8U+" + c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0") + "\u27e9");
}

// An element with attributes and children; strings become text nodes.
function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes))
        if (name === "onclick" || name === "ontoggle")
            element.addEventListener(name.slice(2), value);
        else if (value !== undefined)
            element.setAttribute(name, value);
    element.append(...children);
    return element;
}

function paint(element, style) {
    if (style) {
        element.style.setProperty("--fill", style.fill);
        element.style.setProperty("--on", style.ink);
    }
    return element;
}

function strategyName(node) {
    return node.style ? visible(node.style.name) : "Start";
}

function chip(node, short) {
    const text = short ? visible(node.style ? node.style.short : "") : strategyName(node);
    return paint(make("span", { class: short ? "chip short" : "chip", title: short ? strategyName(node) : undefined }, text), node.style);
}

function figure(value) {
    return Number.isFinite(value) ? value.toFixed(2).replace("-", "\u2212") : "\u2013";
}

function count(value, noun) {
    return value.toLocaleString("en") + " " + noun + (value === 1 ? "" : "s");
}

function pathTo(node) {
    const path = [];
    for (let at = node; at; at = at.parent)
        path.unshift(at);
    return path;
}

// Head.
function definitions(list, pairs) {
    for (const [term, text, title] of pairs)
        list.append(make("div", { title }, make("dt", {}, term), make("dd", {}, text)));
    return list;
}

function fillHead() {
    const calls = Object.values(data.calls).reduce((sum, value) => sum + value, 0);
    const roles = Object.entries(data.calls).map(([role, value]) => role + " " + value.toLocaleString("en")).join(", ");
    const title = make("h1", {}, "Search " + data.index + " ");
    if (data.scene)
        title.append(make("bdi", { class: "scene" }, visible(data.scene)));
    const left = make("div", {}, make("a", { class: "back", href: "index.html" }, "\u2190 all dialogues"), title);
    if (data.description)
        left.append(make("p", { class: "about", dir: "auto", tabindex: 0, "aria-label": "Situation" }, visible(data.description)));
    document.getElementById("head").append(left, definitions(make("dl", { id: "facts" }), [
        ["State", data.state], ["Method", visible(data.method)], ["Mode", visible(data.mode)],
        ["Iterations", data.iterations.toLocaleString("en")],
        ["Nodes", nodes.length.toLocaleString("en"), data.generated + " generated"],
        ["Ended", data.ended.toLocaleString("en")], ["Counted", data.counted.toLocaleString("en"), "ends that became records"],
        ["Calls", calls.toLocaleString("en"), roles], ["Best Q", figure(data.best), "of the ends that count"],
    ]));
    document.title = "Search " + data.index + (data.scene ? " \u00b7 " + visible(data.scene) : "");
}

// A dialogue from the root to a node.
function bubble(who, head, text, ...more) {
    return make("div", { class: "turn " + who }, make("div", { class: "who" }, ...head),
        make("div", { class: "bubble", dir: "auto" }, visible(text) || "(empty)"), ...more);
}

function lowReplies(node) {
    const low = node.parent ? node.parent.children.filter(child => child.mark === "negative") : [];
    if (!low.length || node.mark !== "preferred")
        return [];
    const details = make("details", {}, make("summary", {}, low.length === 1 ? "1 reply that scored low" : low.length + " replies that scored low"));
    for (const other of low)
        details.append(make("div", { class: "low" }, make("div", { class: "who" }, chip(other), "Q " + figure(other.q) + ", N " + other.n),
            make("bdi", {}, visible(other.reply))));
    return [details];
}

// Reply, answer and end of a node. negatives: with what scored low beside it, as the list of paths has it.
function turn(node, negatives) {
    const parts = [], head = ["Supporter"];
    if (node.parent)
        head.push(chip(node), ...(negatives ? ["Q " + figure(node.q)] : []));
    if (node.generated && (node.parent || node.reply))
        parts.push(bubble("supporter", head, node.reply, ...(negatives ? lowReplies(node) : [])));
    if (node.answer)
        parts.push(bubble("seeker", ["Seeker"], node.answer));
    if (node.ended)
        parts.push(make("p", { class: "over" }, "The seeker ends the talk."));
    return parts;
}

function dialogue(node, negatives) {
    return make("div", { class: "talk" }, ...pathTo(node).flatMap(at => turn(at, negatives)));
}

// Panel.
const panel = document.getElementById("panel");
let opened = null;

function tags(node) {
    const words = ["turn " + node.depth, "node " + node.index];
    if (node.mark === "preferred")
        words.push("on a preferred path");
    if (node.mark === "negative")
        words.push("a negative");
    if (node.ended)
        words.push("ended");
    if (node.seed)
        words.push("from the seed");
    if (!node.generated)
        words.push("not generated");
    return words.join(" \u00b7 ");
}

function siblingList(node) {
    const list = make("ol", { class: "siblings" });
    for (const child of node.parent.children) {
        const bar = paint(make("span", { class: "bar" }), child.style);
        bar.style.width = Math.max(0, Math.min(1, child.prior)) * 100 + "%";
        const row = make("button", { class: child === node ? "here" : "", "aria-current": child === node ? "true" : undefined,
            title: "Prior " + figure(child.prior), onclick: () => { choose(child); openPanel(child, true); } },
            make("span", {}, chip(child)), ...(child.generated ? [make("span", { class: "number" }, "Q " + figure(child.q)),
                make("span", { class: "number" }, "N " + child.n)] : [make("span", { class: "none" }, "not generated")]), bar);
        list.append(make("li", {}, row));
    }
    return list;
}

function openPanel(node, focus) {
    const title = make("h2", { tabindex: -1 }, chip(node));
    const values = [["Q", node.generated ? figure(node.q) : "\u2013"], ["N", node.n.toLocaleString("en")]];
    if (node.parent)
        values.push(["Prior", figure(node.prior)]);
    panel.replaceChildren(make("div", { class: "top" }, make("div", {}, title, make("p", { class: "tags" }, tags(node))),
        make("button", { class: "close", "aria-label": "Close", title: "Close (Esc)", onclick: closePanel }, "\u00d7")),
        definitions(make("dl", { class: "values" }), values));
    if (node.generated)
        panel.append(make("h3", {}, "This turn"), make("div", { class: "talk" }, ...turn(node, false)));
    if (node.parent)
        panel.append(make("h3", {}, "Strategies at this turn, priors as bars"), siblingList(node),
            make("h3", {}, "The dialogue before"), dialogue(node.parent, false));
    opened = node;
    panel.hidden = false;
    panel.scrollTop = 0;
    if (focus)
        title.focus({ preventScroll: true });
}

function closePanel() {
    const node = opened;
    opened = null;
    panel.hidden = true;
    if (node && !document.getElementById("view-tree").hidden)
        focusNode(node);
}

document.addEventListener("keydown", event => {
    if (event.key === "Escape" && opened) {
        closePanel();
        event.preventDefault();
    }
});

// Paths.
function pathDetails(end, number, open) {
    const path = pathTo(end).slice(1), sequence = make("div", { class: "sequence" });
    for (const node of path)
        sequence.append(chip(node, true));
    const details = make("details", { class: "path" }, make("summary", {}, make("h3", {}, "Path " + number),
        make("span", { class: "facts" }, "Q " + figure(end.q) + " \u00b7 N " + end.n.toLocaleString("en") + " \u00b7 " + count(path.length, "turn")),
        sequence));
    const fill = () => {
        if (details.children.length > 1)
            return;
        const talk = dialogue(end, true);
        talk.append(make("button", { class: "show", onclick: () => { select("tree"); choose(end); focusNode(end); } }, "Show in the tree"));
        details.append(talk);
    };
    details.addEventListener("toggle", () => details.open && fill());
    details.fill = fill;
    details.open = open;
    return details;
}

function fillPaths() {
    const view = document.getElementById("view-paths"), ends = nodes.filter(node => node.ended);
    const counted = ends.filter(node => node.mark === "preferred"), others = ends.filter(node => node.mark !== "preferred");
    view.append(make("p", {}, counted.length ? "The dialogues that this search prefers. Each is a record of the data." :
        "No ended dialogue reached the thresholds, so this search gives no record."));
    counted.sort((a, b) => b.q - a.q).forEach((end, i) => view.append(pathDetails(end, i + 1, i === 0)));
    if (others.length) {
        view.append(make("h2", {}, "Ended, but below the thresholds"));
        others.sort((a, b) => b.q - a.q).forEach((end, i) => view.append(pathDetails(end, counted.length + i + 1, false)));
    }
    document.getElementById("tab-paths").textContent = "Paths (" + ends.length + ")";
}

// Views.
const views = ["tree", "paths"];

function select(name) {
    for (const view of views) {
        const tab = document.getElementById("tab-" + view), chosen = view === name;
        tab.setAttribute("aria-selected", chosen);
        tab.tabIndex = chosen ? 0 : -1;
        document.getElementById("view-" + view).hidden = !chosen;
    }
    document.getElementById("lazy-label").hidden = name !== "tree";
    if (name !== "tree" && opened)
        closePanel();
}

for (const name of views) {
    const tab = document.getElementById("tab-" + name);
    tab.addEventListener("click", () => select(name));
    tab.addEventListener("keydown", event => {
        if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
            const other = views.find(view => view !== name);
            select(other);
            document.getElementById("tab-" + other).focus();
            event.preventDefault();
        }
    });
}

// Paper has no folds: all preferred paths, the tree on its own page.
window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll(".path")) {
        details.fill();
        details.wasOpen = details.open;
        details.open = true;
    }
});
window.addEventListener("afterprint", () => document.querySelectorAll(".path").forEach(details => { details.open = details.wasOpen; }));

fillHead();
fillPaths();
