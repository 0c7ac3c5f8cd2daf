/** One tenant: its name and status, what can be done with it as a whole, and its views. */
import { useState } from "preact/hooks";

import { under } from "../api.js";
import { useConsole } from "../context.js";
import { nodeAt, pretty, read } from "../model/json.js";
import { Heading, Refused, Status } from "../parts/common.js";
import { Confirm } from "../parts/confirm.js";
import { Editor, type State } from "../parts/editor.js";
import { useLoaded } from "../parts/loading.js";
import { TABS, address, type Tab } from "../route.js";
import { Decisions } from "./decisions.js";
import { HistoryView } from "./history.js";
import { Keys } from "./keys.js";
import { Try } from "./try.js";
import { UsageView } from "./usage.js";

export const TITLES: Readonly<Record<Tab, string>> = {
  policy: "Policy",
  history: "History",
  usage: "Usage",
  keys: "Keys",
  try: "Try a request",
  decisions: "Recent decisions",
};

interface Loaded {
  readonly state: State;
  readonly readOnly: boolean;
}

export function Tenant({ tenant, tab }: { tenant: string; tab: Tab }) {
  const { api } = useConsole();
  const { value, error, reload } = useLoaded(async (signal): Promise<Loaded> => {
    const answer = await api.call(under(tenant), { signal });
    return { state: { text: pretty(answer.text), etag: answer.etag }, readOnly: answer.readOnly };
  }, [api, tenant]);
  return (
    <>
      <p class="crumbs"><a href="#/tenants">Tenants</a></p>
      <div class="title">
        <Heading title={`${tenant}: ${TITLES[tab]}`}><code>{tenant}</code> <span class="sub">{TITLES[tab]}</span></Heading>
        {value && <Whole tenant={tenant} loaded={value} onChanged={reload} />}
      </div>
      <nav aria-label={`Views of ${tenant}`} class="tabs">
        <ul>{TABS.map((each) => <li key={each}><a href={address(tenant, each)} aria-current={each === tab ? "page" : undefined}>{TITLES[each]}</a></li>)}</ul>
      </nav>
      {value?.readOnly && <p class="notice"><strong>Kept in a file.</strong> This tenant is shown as it is in force, and is changed where its file is.</p>}
      {error !== undefined && <Refused error={error} />}
      {value ? <Shown tenant={tenant} tab={tab} loaded={value} onChanged={reload} /> : error === undefined && <p class="wait">Loading…</p>}
    </>
  );
}

interface Tabbed {
  readonly tenant: string;
  readonly tab: Tab;
  readonly loaded: Loaded;
  readonly onChanged: () => void;
}

function Shown({ tenant, tab, loaded, onChanged }: Tabbed) {
  switch (tab) {
    case "policy":
      return <Editor tenant={tenant} state={loaded.state} readOnly={loaded.readOnly} onSaved={onChanged} />;
    case "history":
      return <HistoryView tenant={tenant} etag={loaded.state.etag} readOnly={loaded.readOnly} onChanged={onChanged} />;
    case "usage":
      return <UsageView tenant={tenant} />;
    case "keys":
      return <Keys tenant={tenant} />;
    case "try":
      return <Try tenant={tenant} />;
    case "decisions":
      return <Decisions tenant={tenant} />;
  }
}

/** Suspend or resume, and delete. */
function Whole({ tenant, loaded, onChanged }: { tenant: string; loaded: Loaded; onChanged: () => void }) {
  const { api, announce, drafts } = useConsole();
  const [asking, setAsking] = useState<"status" | "delete" | null>(null);
  const status = String(nodeAt(read(loaded.state.text), ["status"])?.value ?? "");
  const active = status === "active";
  const condition = { ifMatch: loaded.state.etag };
  async function switchStatus(reason: string) {
    const body = JSON.stringify({ status: active ? "suspended" : "active" });
    await api.call(under(tenant), { method: "PATCH", body, reason, ...condition });
    setAsking(null);
    announce(active ? `${tenant} is suspended: every call is refused.` : `${tenant} is active again.`);
    onChanged();
  }
  async function end(reason: string) {
    await api.call(under(tenant), { method: "DELETE", reason, ...condition });
    drafts.delete(tenant);
    announce(`${tenant} is deleted.`);
    location.hash = "#/tenants";
  }
  return (
    <div class="whole">
      <Status status={status} />
      {!loaded.readOnly && (
        <>
          <button type="button" onClick={() => setAsking("status")}>{active ? "Suspend" : "Resume"}</button>
          <button type="button" class="danger" onClick={() => setAsking("delete")}>Delete</button>
        </>
      )}
      {asking === "status" && (
        <Confirm title={active ? `Suspend ${tenant}?` : `Resume ${tenant}?`} action={active ? "Suspend" : "Resume"} onConfirm={switchStatus} onCancel={() => setAsking(null)}>
          <p>{active ? "Every call of this tenant is refused from then on. Nothing is lost." : "Its policy is in force again as it is."}</p>
        </Confirm>
      )}
      {asking === "delete" && (
        <Confirm title={`Delete ${tenant}?`} action="Delete" typed={tenant} onConfirm={end} onCancel={() => setAsking(null)}>
          <p>Every call is refused from then on and its keys end. URLs already issued live to their end, and its objects stay.</p>
        </Confirm>
      )}
    </div>
  );
}
