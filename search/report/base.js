"use strict";
// What the scripts of all report pages use; it stands before theirs.

function byId(id) {
  return document.getElementById(id);
}

function make(tag, className, ...content) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...content);
  return element;
}

function button(text, className, action) {
  const element = make("button", className, text);
  element.type = "button";
  element.addEventListener("click", action);
  return element;
}

const number = (n) => n.toLocaleString("en");
const several = (n, one) => `${number(n)} ${one}${n === 1 ? "" : "s"}`;

function duration(seconds) {
  if (seconds < 100) return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

const TONES = { proved: "good", error: "bad", timeout: "slow", memory: "slow", crash: "slow" };
const tone = (outcome) => TONES[outcome] ?? "other";

async function copy(text, source) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const area = make("textarea", "unseen");
    area.value = text;
    document.body.append(area);
    area.select();
    document.execCommand("copy"); // where a page from a file may not use the clipboard
    area.remove();
  }
  source.textContent = "Copied";
  setTimeout(() => (source.textContent = "Copy"), 1500);
}
