import { useEffect, useState } from 'react'
import './App.css'

type Task = { id: number; title: string; done: boolean }

const first: Task[] = [
  { id: 1, title: 'Scaffold with npm create vite', done: true },
  { id: 2, title: 'Deploy the folder', done: true },
  { id: 3, title: 'Share the link', done: false },
]

function load(): Task[] {
  try {
    return JSON.parse(localStorage.getItem('tasks') ?? '') as Task[]
  } catch {
    return first
  }
}

function App() {
  const [tasks, setTasks] = useState(load)
  const [title, setTitle] = useState('')
  const done = tasks.filter((task) => task.done).length

  useEffect(() => localStorage.setItem('tasks', JSON.stringify(tasks)), [tasks])

  const add = (event: React.FormEvent) => {
    event.preventDefault()
    if (!title.trim()) return
    setTasks([...tasks, { id: Date.now(), title: title.trim(), done: false }])
    setTitle('')
  }
  const toggle = (id: number) =>
    setTasks(tasks.map((task) => (task.id === id ? { ...task, done: !task.done } : task)))

  return (
    <main>
      <p className="kicker">Vite + React + TypeScript</p>
      <h1>Hello from Vite</h1>
      <progress max={tasks.length} value={done} aria-label="done" />
      <ul>
        {tasks.map((task) => (
          <li key={task.id}>
            <label className={task.done ? 'done' : ''}>
              <input type="checkbox" checked={task.done} onChange={() => toggle(task.id)} />
              {task.title}
            </label>
            <button
              type="button"
              aria-label={`Remove ${task.title}`}
              onClick={() => setTasks(tasks.filter((other) => other.id !== task.id))}
            >
              ×
            </button>
          </li>
        ))}
      </ul>
      <form onSubmit={add}>
        <input
          value={title}
          onChange={(event) => setTitle(event.target.value)}
          placeholder="What is next?"
          aria-label="New task"
        />
        <button type="submit">Add</button>
      </form>
    </main>
  )
}

export default App
