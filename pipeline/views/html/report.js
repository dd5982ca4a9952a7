// Draws the charts, and marks in the menu where the reader is.
(function () {
  "use strict";
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const quiet = {
    labelColor: "var(--ink-2)", titleColor: "var(--ink-2)", gridColor: "var(--line)",
    domainColor: "var(--line)", tickColor: "var(--line)", labelFontSize: 12,
    titleFontSize: 12, titleFontWeight: "normal", labelLimit: 150, labelPadding: 6,
  };
  const config = {
    background: null,
    font: "system-ui, sans-serif",
    view: { stroke: null },
    axis: quiet,
    axisY: { grid: true },
    legend: { ...quiet, symbolStrokeWidth: 2, columns: { signal: "width < 420 ? 2 : 5" } },
    text: { color: "var(--ink)" },
  };
  const options = {
    actions: false, renderer: "svg", ast: true, defaultStyle: false, config,
    tooltip: { disableDefaultStyle: true },
    loader: { load: () => Promise.reject(new Error("a report loads nothing")) },
  };
  const drawn = [...document.querySelectorAll("[data-chart]")].map((place) =>
    vegaEmbed(place, specs[place.dataset.chart], options).then(
      () => place.classList.add("drawn"),
      (error) => { place.textContent = "This chart could not be drawn: " + error.message; }
    )
  );
  Promise.all(drawn).then(() => document.documentElement.classList.add("ready"));

  const links = new Map(
    [...document.querySelectorAll("nav a")].map((a) => [a.hash.slice(1), a])
  );
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      for (const [id, link] of links) {
        if (id === entry.target.id) link.setAttribute("aria-current", "true");
        else link.removeAttribute("aria-current");
      }
    }
  }, { rootMargin: "-10% 0px -75% 0px" });
  document.querySelectorAll("main section").forEach((section) => seen.observe(section));
})();
