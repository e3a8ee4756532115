import java.io.IOException;

public class Hello {
    public static void main(String[] args) throws Exception {
        if (args.length > 0)
            System.exit(7);
        System.out.println(System.getenv("LD_PRELOAD"));
        Process p = new ProcessBuilder("sh", "-c", "echo child; exit 3").inheritIO().start();
        System.out.println(p.waitFor());
        try {
            new ProcessBuilder("nothing-here").start();
        } catch (IOException e) {
            System.out.println("not started");
        }
        Thread t = new Thread(() -> System.out.println("thread"));
        t.start();
        t.join();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("hook")));
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < 100000; i++)
            text.append(i);
        System.out.println(text.length());
    }
}
