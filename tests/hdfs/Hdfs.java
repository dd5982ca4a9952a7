import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.hdfs.MiniDFSCluster;

/** A namenode and a datanode on loopback; prints the address of WebHDFS. */
class Hdfs {
  public static void main(String[] arguments) throws Exception {
    Configuration settings = new Configuration();
    File folder = new File(arguments[0]);
    MiniDFSCluster cluster = new MiniDFSCluster.Builder(settings, folder).build();
    cluster.waitActive();
    System.out.println(cluster.getHttpUri(0));
    Thread.sleep(Long.MAX_VALUE);
  }
}
