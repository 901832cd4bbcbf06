"use client";

import { useState } from "react";
import styles from "./page.module.css";

export default function Counter() {
  const [count, setCount] = useState(0);
  return (
    <button className={styles.button} onClick={() => setCount(count + 1)}>
      {count === 0 ? "Say hello" : `${count} × hello`}
    </button>
  );
}
