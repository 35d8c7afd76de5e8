/** The file that the program serves to pages of others: everything, and the element is known at once. */

import { defineElement } from "./element.js";

export { PulsewheelProgress, defineElement } from "./element.js";
export * from "./index.js";

defineElement();
