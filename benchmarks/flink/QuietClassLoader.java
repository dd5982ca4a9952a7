import java.io.File;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.util.ArrayList;
import java.util.List;

/**
 * Loads the jars of the folder {@code flink.jars}, and tells nobody where they are.
 *
 * <p>Beam's job server uploads all the jars that it finds itself made of with every job: 200 MB
 * and 20 seconds, which the TaskManagers have on their own class path already. With this as
 * {@code java.system.class.loader} it finds nothing but the jar of this class.
 */
public class QuietClassLoader extends URLClassLoader {
  public QuietClassLoader(ClassLoader parent) throws MalformedURLException {
    super(jars(), parent);
  }

  @Override
  public URL[] getURLs() {
    return new URL[0];
  }

  private static URL[] jars() throws MalformedURLException {
    List<URL> jars = new ArrayList<>();
    for (File jar : new File(System.getProperty("flink.jars")).listFiles()) {
      jars.add(jar.toURI().toURL());
    }
    return jars.toArray(new URL[0]);
  }
}
