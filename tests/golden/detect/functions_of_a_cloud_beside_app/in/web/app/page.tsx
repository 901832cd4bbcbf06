export default function Page() {
  return <h1>Space</h1>;
}
