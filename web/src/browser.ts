/** The file that the program serves to pages of others: everything, and the element is known at once. */

import { defineElement } from "./element";

export * from "./index";

defineElement();
