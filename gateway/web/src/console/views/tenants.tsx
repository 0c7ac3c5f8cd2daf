/** All tenants, page by page, and a search among them. */
import { useEffect, useState } from "preact/hooks";

import { useConsole } from "../context.js";
import { EmptyRow, Heading, Refused, Status, Table, bytes, counted } from "../parts/common.js";
import { TENANT_ID, address } from "../route.js";
import type { TenantInList, TenantPage } from "../shapes.js";

const PAGE = 100;

/** Pages that a search looks through at once, before it asks whether to go on. */
const MOST_SEARCHED = 20;

interface Listing {
  readonly tenants: readonly TenantInList[];
  readonly readOnly: ReadonlySet<string>;
  readonly cursor: string | null;
}

const NOTHING: Listing = { tenants: [], readOnly: new Set(), cursor: null };

export function Tenants() {
  const [search, setSearch] = useState("");
  const { listing, busy, error, more } = useListing();
  const wanted = search.trim().toLowerCase();
  const shown = listing.tenants.filter(({ tenant }) => tenant.includes(wanted));
  const exact = TENANT_ID.test(wanted) && !listing.tenants.some(({ tenant }) => tenant === wanted);
  return (
    <>
      <div class="title">
        <Heading title="Tenants">Tenants</Heading>
        <a class="button main" href="#/new">New tenant</a>
      </div>
      <form class="bar" role="search" onSubmit={(event) => { event.preventDefault(); if (wanted) void more(wanted); }}>
        <div class="field">
          <label for="search">Search by id</label>
          <input id="search" type="search" value={search} autocomplete="off" spellcheck={false} onInput={(event) => setSearch(event.currentTarget.value)} />
        </div>
        {wanted && listing.cursor !== null && <button type="submit" disabled={busy}>Search in further pages</button>}
      </form>
      <p class="count" role="status">
        {busy && listing.tenants.length === 0 ? "Loading…" : `${counted(shown.length, "tenant")}${wanted ? " found" : ""}${listing.cursor === null ? "" : `, of ${listing.tenants.length} loaded`}`}
      </p>
      {error !== undefined && <Refused error={error} />}
      <Table label="Tenants" head={["Tenant", "Status", "Backends", "Types", "Quota"]}>
        {shown.map((each) => <Row key={each.tenant} tenant={each} readOnly={listing.readOnly.has(each.tenant)} />)}
        {shown.length === 0 && !busy && <EmptyRow columns={5}>{wanted ? "None of those loaded." : "There are none yet."}</EmptyRow>}
      </Table>
      <p class="actions">
        {listing.cursor !== null && <button type="button" disabled={busy} onClick={() => void more("")}>Load more</button>}
        {wanted && exact && <a class="button" href={address(wanted)}>Open {wanted}</a>}
      </p>
    </>
  );
}

function Row({ tenant, readOnly }: { tenant: TenantInList; readOnly: boolean }) {
  const types = Object.keys(tenant.types);
  return (
    <tr>
      <th scope="row"><a href={address(tenant.tenant)}>{tenant.tenant}</a></th>
      <td><Status status={tenant.status} /> {readOnly && <span class="tag">kept in a file</span>}</td>
      <td>{tenant.backends.join(", ")}</td>
      <td>{types.length === 0 ? "nothing" : `${types.slice(0, 3).join(", ")}${types.length > 3 ? ` and ${types.length - 3} more` : ""}`}</td>
      <td>{tenant.quota.bytes === null && tenant.quota.objects === null ? "none" : [tenant.quota.bytes !== null && bytes(tenant.quota.bytes), tenant.quota.objects !== null && counted(tenant.quota.objects, "object")].filter(Boolean).join(", ")}</td>
    </tr>
  );
}

/** The pages loaded so far; `more` loads the next one, or as many as it takes until an id has `wanted` in it. */
function useListing() {
  const { api } = useConsole();
  const [listing, setListing] = useState(NOTHING);
  const [busy, setBusy] = useState(true);
  const [error, setError] = useState<unknown>();
  async function more(wanted: string, from: Listing = listing) {
    setBusy(true);
    setError(undefined);
    let found = from;
    try {
      for (let page = 0; page < MOST_SEARCHED; page += 1) {
        const cursor = found.cursor === null ? "" : `&cursor=${encodeURIComponent(found.cursor)}`;
        const { body } = await api.call<TenantPage>(`?limit=${PAGE}${cursor}`);
        found = {
          tenants: [...found.tenants, ...body.tenants],
          readOnly: new Set([...found.readOnly, ...body.read_only]),
          cursor: body.cursor,
        };
        setListing(found);
        if (body.cursor === null || body.tenants.some(({ tenant }) => tenant.includes(wanted))) break;
      }
    } catch (told) {
      setError(told);
    }
    setBusy(false);
  }
  useEffect(() => void more("", NOTHING), [api]);
  return { listing, busy, error, more };
}
