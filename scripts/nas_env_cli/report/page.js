"use strict";
(() => {
  const tip = document.getElementById("tip");
  const dialog = document.getElementById("dialog");
  const holder = document.getElementById("drawing");
  const theme = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let from = null;

  const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? "dark" : "light")) === "dark";
  const nameTheme = () => {
    theme.textContent = isDark() ? "Light colours" : "Dark colours";
    theme.setAttribute("aria-pressed", String(isDark()));
  };
  theme.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  dark.addEventListener("change", nameTheme);
  nameTheme();

  const hide = () => { tip.hidden = true; };
  const show = (mark, x, y) => {
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    const box = mark.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = x === undefined ? box.left + box.width / 2 : x;
    const above = (y === undefined ? box.top : y) - own.height - 12;
    const below = (y === undefined ? box.bottom : y) + 14;
    tip.style.left = Math.max(8, Math.min(left - own.width / 2, innerWidth - own.width - 8)) + "px";
    tip.style.top = (above > 8 ? above : Math.min(below, innerHeight - own.height - 8)) + "px";
  };
  const marked = (event) => event.target instanceof Element ? event.target.closest("[data-tip]") : null;

  document.addEventListener("pointermove", (event) => {
    const mark = marked(event);
    if (mark) show(mark, event.clientX, event.clientY); else hide();
  });
  document.addEventListener("focusin", (event) => { const mark = marked(event); if (mark) show(mark); else hide(); });
  document.addEventListener("scroll", () => {  // a mark focused by keyboard keeps its tooltip
    const mark = document.activeElement ? document.activeElement.closest("[data-tip]") : null;
    if (mark && !tip.hidden && tip.textContent === mark.dataset.tip) show(mark); else hide();
  }, true);

  const open = (origin) => {
    const template = document.getElementById("drawing-" + origin.dataset.drawing);
    if (!template) return;
    hide();
    holder.replaceChildren(template.content.cloneNode(true));
    from = origin;
    dialog.showModal();
  };
  const close = () => dialog.close();
  document.getElementById("close").addEventListener("click", close);
  dialog.addEventListener("click", (event) => { if (event.target === dialog) close(); });
  dialog.addEventListener("close", () => { holder.replaceChildren(); if (from) from.focus(); hide(); from = null; });
  document.addEventListener("click", (event) => {
    const origin = event.target instanceof Element ? event.target.closest("[data-drawing]") : null;
    const mark = marked(event);
    if (origin) open(origin); else if (mark) show(mark, event.clientX, event.clientY);
  });

  const move = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    const mark = marked(event);
    const chart = event.target instanceof Element ? event.target.closest("svg.chart") : null;
    if (!chart) return;
    const marks = [...chart.querySelectorAll("[data-tip]")];
    const place = marks.indexOf(mark);
    let next = -1;
    if (event.key in move) next = place < 0 ? 0 : place + move[event.key];
    else if (event.key === "Home") next = 0;
    else if (event.key === "End") next = marks.length - 1;
    else if ((event.key === "Enter" || event.key === " ") && mark && mark.dataset.drawing) { event.preventDefault(); open(mark); return; }
    if (next >= 0 && next < marks.length) { event.preventDefault(); marks[next].focus(); }
  });
})();
