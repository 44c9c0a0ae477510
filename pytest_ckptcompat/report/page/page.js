"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const search = document.getElementById("search");
  const status = document.getElementById("status");
  const found = document.getElementById("found");
  const rows = all(".matrix tbody tr").map((row) => ({
    row,
    name: row.dataset.recipe.toLowerCase(),
    statuses: new Set([...row.cells].map((cell) => cell.className.replace(/^s-/, ""))),
  }));
  const blocks = all("details.group, details.history").map((block) => ({
    block,
    name: block.dataset.recipe.toLowerCase(),
    status: block.dataset.status,
  }));
  const plain = new Set(["", "passed", "recorded", "left-out"]);
  const fits = (statuses, wanted) =>
    !wanted || (wanted === "!" ? [...statuses].some((one) => !plain.has(one)) : statuses.has(wanted));

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = status.value;
    const shown = new Set();
    const byText = new Set();
    for (const one of words.length ? blocks : []) {
      one.text ??= `${one.block.dataset.recipe} ${one.block.textContent}`.toLowerCase();
      if (words.every((word) => one.text.includes(word))) byText.add(one.name);
    }
    let count = 0;
    for (const one of rows) {
      const named = words.every((word) => one.name.includes(word)) || byText.has(one.name);
      const fitting = named && fits(one.statuses, wanted);
      one.row.hidden = !fitting;
      if (fitting) {
        shown.add(one.name);
        count += 1;
      }
    }
    for (const one of blocks) {
      const right = one.status === undefined || fits(new Set([one.status]), wanted);
      one.block.hidden = !(shown.has(one.name) && right);
    }
    found.textContent = words.length || wanted ? `${count} of ${rows.length} recipes` : "";
  }

  document.querySelector(".filters").hidden = false;
  let pending = 0;
  search.addEventListener("input", () => {
    clearTimeout(pending);
    pending = setTimeout(filter, 60);
  });
  status.addEventListener("change", filter);

  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target instanceof HTMLDetailsElement) {
      target.hidden = false;
      target.open = true;
      target.scrollIntoView();
      target.querySelector("summary").focus();
    }
  }
  addEventListener("hashchange", reveal);
  reveal();

  document.addEventListener("mouseover", (event) => {
    const cell = event.target.closest?.(".matrix td");
    if (cell && !cell.title && cell.textContent) {
      const head = cell.closest("table").tHead.rows[0].cells[cell.cellIndex].textContent;
      cell.title = `${cell.parentElement.dataset.recipe}, ${head}: ${cell.textContent}`;
    }
  });

  async function copy(text) {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = document.createElement("textarea");
      area.value = text;
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.("button.copy");
    if (!button) return;
    await copy(button.parentElement.querySelector("code").textContent);
    const before = button.innerHTML;
    button.textContent = "Copied";
    button.focus();
    setTimeout(() => {
      button.innerHTML = before;
    }, 1500);
  });

  for (const maps of all(".maps")) {
    const grid = JSON.parse(maps.dataset.grid);
    const [height, width] = [grid.error.length, grid.error[0].length];
    const readout = maps.parentElement.querySelector(".readout");
    const cursors = all(".picture", maps).map((picture) => {
      const cursor = document.createElement("span");
      cursor.className = "cursor";
      cursor.hidden = true;
      picture.append(cursor);
      return cursor;
    });
    let at = grid.worst || [0, 0];
    const show = (row, column) => {
      at = [Math.min(Math.max(row, 0), height - 1), Math.min(Math.max(column, 0), width - 1)];
      for (const cursor of cursors) {
        cursor.hidden = false;
        cursor.style.left = `${(100 * at[1]) / width}%`;
        cursor.style.top = `${(100 * at[0]) / height}%`;
        cursor.style.width = `${100 / width}%`;
        cursor.style.height = `${100 / height}%`;
      }
      const of = (name) => grid[name][at[0]][at[1]];
      readout.textContent =
        `row ${at[0] * grid.block[0]}, column ${at[1] * grid.block[1]}: ` +
        `expected ${of("expected")}, got ${of("got")}, error ${of("error")} ${grid.unit}`;
    };
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    maps.addEventListener("keydown", (event) => {
      const move = moves[event.key];
      if (!move) return;
      event.preventDefault();
      show(at[0] + move[0], at[1] + move[1]);
    });
    maps.addEventListener("pointermove", (event) => {
      const picture = event.target.closest(".picture");
      if (!picture) return;
      const box = picture.getBoundingClientRect();
      show(
        Math.floor(((event.clientY - box.top) / box.height) * height),
        Math.floor(((event.clientX - box.left) / box.width) * width),
      );
    });
  }
})();
