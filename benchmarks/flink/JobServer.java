import java.io.File;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Beam's job server: {@code java JobServer.java FOLDER_OF_JARS ARGUMENTS...}.
 *
 * <p>It uploads its class path to Flink with every job: 200 MB, more than 20 seconds, that the
 * TaskManagers have already. What a class loader does not tell is not found and not uploaded.
 */
class JobServer {
  private static final String MAIN = "org.apache.beam.runners.flink.FlinkJobServerDriver";

  private static class Silent extends URLClassLoader {
    Silent(URL[] jars) {
      super(jars, ClassLoader.getPlatformClassLoader());
    }

    @Override
    public URL[] getURLs() {
      return new URL[0];
    }
  }

  public static void main(String[] arguments) throws Exception {
    List<URL> jars = new ArrayList<>();
    for (File jar : new File(arguments[0]).listFiles()) {
      jars.add(jar.toURI().toURL());
    }
    ClassLoader loader = new Silent(jars.toArray(new URL[0]));
    Thread.currentThread().setContextClassLoader(loader);
    String[] rest = Arrays.copyOfRange(arguments, 1, arguments.length);
    loader.loadClass(MAIN).getMethod("main", String[].class).invoke(null, (Object) rest);
  }
}
