import { Suspense } from "react";
import { connection } from "next/server";
import Counter from "./counter";
import styles from "./page.module.css";

async function ServerFacts() {
  await connection();
  return (
    <ul className={styles.facts}>
      <li>rendered {new Date().toISOString().slice(11, 19)} UTC</li>
      <li>node {process.version}</li>
      <li>up {Math.round(process.uptime())} s</li>
    </ul>
  );
}

export default function Home() {
  return (
    <main className={styles.main}>
      <p className={styles.kicker}>App Router</p>
      <h1>Hello from Next.js</h1>
      <p className={styles.lead}>
        The shell of this page was prepared at build time, the line below is streamed from the
        server on each request, and the button lives in your browser.
      </p>
      <Suspense fallback={<p className={styles.facts}>asking the server…</p>}>
        <ServerFacts />
      </Suspense>
      <Counter />
    </main>
  );
}
