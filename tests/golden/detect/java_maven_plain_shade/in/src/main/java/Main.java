class Main { public static void main(String[] a) { Javalin.create().start(7070); } }
