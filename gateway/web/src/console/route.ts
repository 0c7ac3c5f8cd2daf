/** Which view the address names. All of it stands behind `#`, so the gateway sees `/console` alone. */
export const TABS = ["policy", "history", "usage", "keys", "try", "decisions"] as const;
export type Tab = (typeof TABS)[number];

export type Route =
  | { readonly view: "tenants" }
  | { readonly view: "new" }
  | { readonly view: "tenant"; readonly tenant: string; readonly tab: Tab };

export const TENANT_ID = /^[a-z0-9][a-z0-9-]{0,62}$/;

export function readRoute(hash: string): Route {
  const [first, tenant, tab] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  if (first === "new") return { view: "new" };
  if (first === "tenants" && tenant !== undefined && TENANT_ID.test(tenant)) {
    return { view: "tenant", tenant, tab: TABS.find((each) => each === tab) ?? "policy" };
  }
  return { view: "tenants" };
}

export function address(tenant: string, tab: Tab = "policy"): string {
  return `#/tenants/${encodeURIComponent(tenant)}/${tab}`;
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
