"use strict";
// Everything on the page can be read without this: it switches the theme, shows what a mark means, and hides lines.
(() => {
  const root = document.documentElement, kept = "qatflow-theme";
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const recall = () => { try { return localStorage.getItem(kept); } catch { return null; } }; // refused for some files
  const keep = theme => { try { localStorage.setItem(kept, theme); } catch { /* the choice lasts for this visit */ } };
  const chosen = recall();
  if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;

  const switchTheme = button => {
    const name = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Use the ${dark() ? "light" : "dark"} theme`); };
    button.hidden = false;
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; keep(root.dataset.theme); name(); });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", name);
    name();
  };
  const showHints = tip => document.addEventListener("pointerdown", event => {
    const hint = event.target.closest("svg *")?.querySelector(":scope > title");
    tip.hidden = !hint;
    if (hint) tip.textContent = hint.textContent;
  });
  const toggle = key => {
    const off = key.getAttribute("aria-pressed") === "true";
    key.setAttribute("aria-pressed", String(!off));
    for (const line of key.ownerSVGElement.querySelectorAll(`.series[data-series="${key.dataset.series}"]`)) line.classList.toggle("off", off);
  };
  const makeKey = key => {
    for (const [name, value] of [["role", "button"], ["tabindex", "0"], ["aria-pressed", "true"]]) key.setAttribute(name, value);
    key.addEventListener("click", () => toggle(key));
    key.addEventListener("keydown", event => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); toggle(key); } });
  };
  document.addEventListener("DOMContentLoaded", () => {
    switchTheme(document.querySelector(".theme"));
    showHints(document.querySelector(".tip"));
    document.querySelectorAll("svg .key").forEach(makeKey);
  });
})();
