// All attacks, in the order of their tables.
import { attacks as acks } from "./acks.mjs";
import { attacks as attachments } from "./attachments.mjs";
import { attacks as endings } from "./endings.mjs";
import { attacks as floods } from "./floods.mjs";
import { attacks as held } from "./held.mjs";
import { attacks as lists } from "./lists.mjs";
import { attacks as posts } from "./posts.mjs";
import { attacks as storm } from "./storm.mjs";

export const attacks = [...floods, ...posts, ...lists, ...acks, ...held, ...attachments, ...endings, ...storm];
