#pragma once

#include <string_view>

namespace slipway {

// Of the router's own pages. Nothing is loaded from elsewhere.
inline constexpr std::string_view page_style = R"css(
:root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#14181f;--soft:#5b6472;--line:#e3e6eb;
--code:#f1f3f6;--calm:#6b7686;--busy:#2563eb;--bad:#c8322b}
@media(prefers-color-scheme:dark){:root{--bg:#0e1116;--card:#161b22;--ink:#e8ecf2;--soft:#9aa4b2;
--line:#262d37;--code:#0f1319;--calm:#8a94a3;--busy:#6ea3ff;--bad:#ff7b72}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:2rem 1rem;background:var(--bg);
color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
body.calm{--tone:var(--calm)}body.busy{--tone:var(--busy)}body.bad{--tone:var(--bad)}
main{width:min(44rem,100%);background:var(--card);border:1px solid var(--line);border-radius:14px;
padding:2rem clamp(1.25rem,5vw,2.5rem);border-top:4px solid var(--tone)}
.label{display:flex;align-items:center;gap:.5rem;margin:0 0 .75rem;color:var(--soft);font-size:.875rem;
overflow-wrap:anywhere}
.dot{flex:none;width:.6rem;height:.6rem;border-radius:50%;background:var(--tone)}
.busy .dot{animation:p 1.4s ease-in-out infinite}@keyframes p{50%{opacity:.25}}
@media(prefers-reduced-motion:reduce){.busy .dot{animation:none}}
h1{margin:0 0 .5rem;font-size:1.65rem;line-height:1.2;letter-spacing:-.01em}
h2{margin:1.5rem 0 .5rem;font-size:.8rem;text-transform:uppercase;letter-spacing:.06em;color:var(--soft)}
.lead{margin:0;overflow-wrap:anywhere;white-space:pre-line}
.hint{margin:0;white-space:pre-line}
dl{margin:1.5rem 0 0;border-top:1px solid var(--line)}
.row{display:flex;gap:1rem;padding:.5rem 0;border-bottom:1px solid var(--line)}
dt{flex:0 0 6rem;color:var(--soft)}dd{margin:0;min-width:0;overflow-wrap:anywhere}
code{font:.875em/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;background:var(--code);
padding:.1em .35em;border-radius:5px}
pre{margin:0;padding:1rem;background:var(--code);border-radius:8px;overflow:auto;max-height:24rem}
pre code{padding:0;background:none}
ul{margin:1.25rem 0 0;padding:0;list-style:none}li{margin:.35rem 0}li span{color:var(--soft)}
footer{margin-top:2rem;color:var(--soft);font-size:.8rem}
)css";

}  // namespace slipway
