/**
 * What the form shows of a tenant's document, as a table: which member, under which words, as what kind of field.
 *
 * It checks nothing: the gateway does, and its pointers lead back here. What it does not list is in the JSON alone.
 */
import { pointerOf, type Path } from "./json.js";

export type Kind = "text" | "number" | "choice" | "flag" | "list" | "set" | "order" | "types" | "rate" | "issuers";

export interface Field {
  readonly path: Path;
  readonly label: string;
  readonly help: string;
  readonly kind: Kind;
  /** Of a choice or a set. */
  readonly options?: readonly string[];
  /** An empty field is null. */
  readonly nullable?: boolean;
}

export interface Section {
  readonly title: string;
  readonly fields: readonly Field[];
}

const text = (path: Path, label: string, help: string): Field => ({ path, label, help, kind: "text" });
const number = (path: Path, label: string, help: string): Field => ({ path, label, help, kind: "number" });
const list = (path: Path, label: string, help: string): Field => ({ path, label, help, kind: "list" });
const choice = (path: Path, label: string, help: string, ...options: string[]): Field => ({ path, label, help, kind: "choice", options });
const set = (path: Path, label: string, help: string, ...options: string[]): Field => ({ path, label, help, kind: "set", options });
const nullable = (field: Field): Field => ({ ...field, nullable: true });

export const SECTIONS: readonly Section[] = [
  {
    title: "Access",
    fields: [
      choice(["status"], "Status", "A suspended tenant is refused every call at once.", "active", "suspended"),
      list(["scopes"], "Scopes", "One a line; any of them lets a caller upload."),
      { path: ["backends"], label: "Backends", help: "The allowed ones, the preferred one first.", kind: "order", options: ["edge", "presigned", "proxy"] },
      choice(["owner"], "Uploads belong to", "The tenant, or the subject that began them.", "tenant", "subject"),
      set(["clients"], "Clients", "Ways beside the upload API.", "uppy", "uppy-sign", "sts"),
    ],
  },
  {
    title: "Names and keys",
    fields: [
      text(["key"], "Key", "Begins with {tenant}/; also {name} {subject} {year} {month} {day} {uuid}."),
      number(["names", "max_depth"], "Deepest name", "Segments."),
      list(["names", "deny_extensions"], "Denied extensions", "One a line, with the dot; they may stand nowhere in a name."),
      nullable(text(["names", "pattern"], "Pattern", "The whole name must match; empty for none.")),
    ],
  },
  {
    title: "What may be uploaded",
    fields: [
      { path: ["types"], label: "Types", help: "A media type, and the extensions that go with it; none: any.", kind: "types" },
      number(["size", "min"], "Smallest size", "Bytes."),
      number(["size", "max"], "Largest size", "Bytes."),
      { path: ["overwrite"], label: "Objects may be replaced", help: "Without it, a name that is taken is refused.", kind: "flag" },
      choice(["checksum"], "Checksum", "Whether a client must send one.", "optional", "required"),
      list(["metadata", "keys"], "Metadata keys", "One a line, without x-amz-meta-; * alone allows any."),
      number(["metadata", "max_bytes"], "Most metadata", "Bytes of keys and values together."),
      set(["object_headers"], "Object headers", "Those that a client may set.", "content-encoding", "content-disposition", "content-language", "expires"),
      choice(["inspection"], "Inspection", "Required: what arrives is the tenant's only after it has passed.", "none", "required"),
    ],
  },
  {
    title: "Delivery",
    fields: [
      number(["url_lifetime"], "A URL lives", "Seconds, 60 to 3600."),
      number(["multipart", "threshold"], "In parts from", "Bytes."),
      number(["multipart", "part_size"], "Size of a part", "Bytes, 5242880 at least."),
      number(["multipart", "max_age"], "An upload in parts may take", "Seconds."),
    ],
  },
  {
    title: "Limits",
    fields: [
      nullable(number(["quota", "bytes"], "Quota of bytes", "Empty for no limit.")),
      nullable(number(["quota", "objects"], "Quota of objects", "Empty for no limit.")),
      { path: ["rate"], label: "Rate", help: "A token bucket; each upload takes a token.", kind: "rate" },
    ],
  },
  {
    title: "Issuers and webhooks",
    fields: [
      { path: ["issuers"], label: "Issuers", help: "Whose tokens speak for this tenant, beside the operator's own.", kind: "issuers" },
      list(["webhooks"], "Webhooks", "One a line: public https URLs."),
    ],
  },
];

export const RATE_FIELDS: readonly Field[] = [
  number(["per_second"], "Tokens a second", "May be a fraction."),
  number(["burst"], "Most tokens", "How many uploads may come at once."),
  choice(["per"], "One bucket for each", "Tenant or subject.", "tenant", "subject"),
];

export const NEW_RATE = '{"per_second": 50, "burst": 100, "per": "tenant"}';

export const ISSUER_FIELDS: readonly Field[] = [
  text(["issuer"], "Issuer", "Exactly as iss has it: a public https URL."),
  choice(["kind"], "Kind", "oidc checks the audience, cognito the client.", "oidc", "cognito"),
  list(["audience"], "Audience", "One a line, one of which must be in aud."),
  list(["client_ids"], "Client ids", "One a line; kind cognito alone."),
  set(["token_use"], "Token use", "Kind cognito alone.", "access", "id"),
  nullable(text(["jwks_uri"], "Keys at", "Empty: found by the issuer's own rule.")),
  text(["subject_claim"], "Subject claim", "The claim that is the subject."),
  text(["scope_claim"], "Scope claim", "The claim with the scopes."),
  nullable(text(["tenant_claim"], "Tenant claim", "Must be exactly this tenant's id; empty: the issuer is this tenant's alone.")),
];

export const NEW_ISSUER =
  '{"issuer": "", "kind": "oidc", "audience": [], "client_ids": [], "token_use": ["access"], "jwks_uri": null, ' +
  '"subject_claim": "sub", "scope_claim": "scope", "tenant_claim": null}';

const LISTED: readonly string[] = SECTIONS.flatMap(({ fields }) => fields.map(({ path }) => pointerOf(path)));

/** Whether some field of the form stands for this place of the document. */
export function inForm(pointer: string): boolean {
  return LISTED.some((each) => pointer === each || pointer.startsWith(`${each}/`));
}
