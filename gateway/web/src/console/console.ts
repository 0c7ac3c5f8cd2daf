/** The operator's console: mounts it into its page. */
import { render, h } from "preact";

import { App } from "./app.js";
import "./console.css";

const place = document.getElementById("console");
if (place) {
  place.replaceChildren();
  render(h(App, {}), place);
}
